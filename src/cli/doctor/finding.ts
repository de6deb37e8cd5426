/** What one check of `doctor` has found. */
export interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'error';
  readonly message: string;
  /** What to do about it; absent when it is ok. */
  readonly fix?: string;
}

export const ok = (check: string, message: string): Finding => ({ check, level: 'ok', message });

export const warning = (check: string, message: string, fix: string): Finding => ({
  check,
  level: 'warning',
  message,
  fix,
});

export const error = (check: string, message: string, fix: string): Finding => ({
  check,
  level: 'error',
  message,
  fix,
});
