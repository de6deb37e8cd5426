/** What every client of the matrix can do, each in its own way. */
export type Args = Record<string, unknown>;

export type Answers = Record<
  string,
  { action: 'accept' | 'decline'; content?: Record<string, string | number | boolean> }
>;

export interface JobClient {
  submit(name: string, args: Args): Promise<string>;
  /** Structured content of the tool's result once the job is final; `{ cancelled: true }` if it was. */
  result(id: string): Promise<unknown>;
  cancel(id: string): Promise<void>;
  /** Keys of what the job asks at the moment. */
  questions(id: string): Promise<readonly string[]>;
  answer(id: string, answers: Answers): Promise<void>;
  close(): Promise<void>;
}
