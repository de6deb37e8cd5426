/**
 * What a server of asynchronous jobs owes its callers, as a list of requirements. Pure data: how
 * each is checked stands in checks.ts, how each check is shown to bite in spoilers.ts.
 */
export const REQUIREMENTS = {
  R1: 'No tool call is held for 30 seconds or longer; work that takes longer becomes a job.',
  R2: 'Exactly one tool makes jobs: bulk_generate_access_codes.',
  R3: 'The answer of every other tool is final and hands out no job_id.',
  R4: 'Every description in tools/list says whether the tool returns a job_id.',
  R5: 'The tool decides, not the size of the batch: a single code is a job too.',
  R6: 'A submission is answered at once, before and without any work on it.',
  R7: 'A submission is answered with data.job_id, data.status and data.enqueued_at.',
  R8: 'The status in the answer to a submission is always "queued".',
  R9: 'A job_id is mjb_ followed by a ULID.',
  R10: 'Every time on the wire is ISO 8601 in UTC, in whole seconds, ending in Z.',
  R11: 'A job is durable before its id is handed out: a kill right afterwards does not lose it.',
  R12: 'get_job_status takes a job_id and answers with data.job_id and data.status.',
  R13: 'get_job_status answers with the very id that it was asked for.',
  R14: 'A completed batch has a result object with a whole count and a batch_id.',
  R15: 'The count of a result is the number of codes that were asked for and that exist.',
  R16: 'A batch_id is btc_ followed by a ULID, and no two batches share one.',
  R17: 'completed and failed are final: from then on every poll reads the same.',
  R18: 'A poll is a plain read: a hundred of them leave the job as it was.',
  R19: 'A job that no worker has taken reads as queued.',
  R20: 'A job that a worker has begun reads as running.',
  R21: 'A job that ended well reads as completed and has its output in data.result.',
  R22: 'A job that ended badly reads as failed and has a standard error envelope in data.error.',
  R23: 'No fifth status is ever seen, and a status never goes backwards.',
  R24: 'The advised cadence is 1 s for ten seconds, 5 s until one minute, then 30 s.',
  R25: 'A client that keeps to the cadence is never rate limited.',
  R26: 'A job of the largest size completes in well under a minute.',
  R27: 'The id of a job stays the same for its whole life and is never given to another.',
  R28: 'A job can be polled from another session than the one that submitted it.',
  R29: 'Another token of the same owner sees the job; a token of another owner does not.',
  R30: 'A token of another team does not see the job, even if its owner is the same.',
  R31: 'Only the same team and the same owner together see a job; others read "unknown id".',
  R32: 'The body of every success is wrapped in data.',
  R33: 'At most one of result and error is filled, and neither before the job has ended.',
  R34: 'preview_access_code_cost foretells the cost; it and the submitting tool name each other.',
} as const;

export type RequirementId = keyof typeof REQUIREMENTS;

export const REQUIREMENT_IDS = Object.keys(REQUIREMENTS) as readonly RequirementId[];
