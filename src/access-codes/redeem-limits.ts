/**
 * Against guessing: failed redemptions are counted per token and per team, in the memory of this
 * server process. Once there were too many, every redemption has to wait, the right ones too.
 */
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { JobError } from '../index.ts';

export interface RedeemLimits {
  /**
   * Run a redemption under the limits.
   *
   * @throws JobError RATE_LIMITED with `retry_after_seconds`, without having run it
   */
  guard<T>(who: Redeemer, redemption: () => Promise<T>): Promise<T>;
}

export interface Redeemer {
  readonly team: string;
  readonly owner: string;
  /** Id of the token, where there is one. */
  readonly token?: string;
}

export function redeemLimits(settings: {
  readonly redeemFailuresPerMinute: number;
  readonly redeemFailuresPerHour: number;
}): RedeemLimits {
  const { redeemFailuresPerMinute, redeemFailuresPerHour } = settings;
  const buckets = [
    {
      limiter: new RateLimiterMemory({ points: redeemFailuresPerMinute, duration: 60 }),
      keyOf: (who: Redeemer) => who.token ?? `${who.team}/${who.owner}`,
    },
    {
      limiter: new RateLimiterMemory({ points: redeemFailuresPerHour, duration: 3_600 }),
      keyOf: (who: Redeemer) => who.team,
    },
  ].filter(({ limiter }) => limiter.points > 0);

  return {
    async guard(who, redemption) {
      for (const { limiter, keyOf } of buckets) {
        const state = await limiter.get(keyOf(who));
        if (state !== null && state.consumedPoints >= limiter.points) {
          throw tooMany(Math.max(1, Math.ceil(state.msBeforeNext / 1_000)));
        }
      }
      try {
        return await redemption();
      } catch (error) {
        if (error instanceof JobError && error.code === 'RESOURCE_NOT_FOUND') {
          for (const { limiter, keyOf } of buckets) await limiter.penalty(keyOf(who));
        }
        throw error;
      }
    },
  };
}

function tooMany(seconds: number): JobError {
  return new JobError('RATE_LIMITED', {
    message: 'Too many codes that do not exist were tried.',
    context: { retry_after_seconds: seconds },
  });
}
