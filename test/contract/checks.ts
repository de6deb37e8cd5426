/** Which check holds a server to which requirement, and what it needs to be run. */
import {
  allowsTheCadence,
  advisesTheCadence,
  completesInWellUnderAMinute,
} from './checks/cadence.ts';
import {
  answersWithCountAndBatch,
  countsWhatExists,
  echoesTheId,
  leavesTheJobAsItWas,
  namesBatchesByUlid,
  readsTheSameAfterTheEnd,
  takesAJobIdAndAnswersWithAStatus,
} from './checks/polling.ts';
import {
  answersAnySession,
  followsTheOwner,
  keepsIdsForLife,
  needsTeamAndOwner,
  staysInTheTeam,
} from './checks/scope.ts';
import {
  fillsResultOrError,
  movesForwardThroughFourStatuses,
  readsCompletedWithItsOutput,
  readsFailedWithAnEnvelope,
  readsRunningWhileAtWork,
  staysQueuedWithoutAWorker,
  wrapsSuccessInData,
} from './checks/status.ts';
import {
  answersBeforeAnyWork,
  answersQueued,
  answersWithTheThreeFields,
  keepsWhatItAnswered,
  namesJobsByUlid,
  tellsTimesInWholeSecondsUtc,
} from './checks/submission.ts';
import {
  answersFinallyElsewhere,
  holdsNoCallForLong,
  makesAJobOfASingleCode,
  makesJobsWithOneToolOnly,
  pointsToThePreview,
  saysWhetherAJobComesBack,
} from './checks/tools.ts';
import type { RequirementId } from './requirements.ts';
import type { Need, Target } from './target.ts';

/** Throws an AssertionError when the server does not hold the requirement. */
export type Check = (target: Target) => Promise<void>;

const CHECKS: Readonly<Record<RequirementId, readonly [Check, ...Need[]]>> = {
  R1: [holdsNoCallForLong],
  R2: [makesJobsWithOneToolOnly],
  R3: [answersFinallyElsewhere],
  R4: [saysWhetherAJobComesBack],
  R5: [makesAJobOfASingleCode],
  R6: [answersBeforeAnyWork, 'control'],
  R7: [answersWithTheThreeFields],
  R8: [answersQueued],
  R9: [namesJobsByUlid],
  R10: [tellsTimesInWholeSecondsUtc],
  R11: [keepsWhatItAnswered, 'control'],
  R12: [takesAJobIdAndAnswersWithAStatus],
  R13: [echoesTheId],
  R14: [answersWithCountAndBatch],
  R15: [countsWhatExists],
  R16: [namesBatchesByUlid],
  R17: [readsTheSameAfterTheEnd],
  R18: [leavesTheJobAsItWas],
  R19: [staysQueuedWithoutAWorker, 'control'],
  R20: [readsRunningWhileAtWork],
  R21: [readsCompletedWithItsOutput],
  R22: [readsFailedWithAnEnvelope, 'control'],
  R23: [movesForwardThroughFourStatuses],
  R24: [advisesTheCadence],
  R25: [allowsTheCadence],
  R26: [completesInWellUnderAMinute],
  R27: [keepsIdsForLife, 'control'],
  R28: [answersAnySession],
  R29: [followsTheOwner, 'sameOwner', 'otherOwner'],
  R30: [staysInTheTeam, 'otherTeam'],
  R31: [needsTeamAndOwner, 'otherOwner', 'otherTeam', 'stranger'],
  R32: [wrapsSuccessInData],
  R33: [fillsResultOrError],
  R34: [pointsToThePreview],
};

/** What a target must offer for this requirement to be checked. */
export function needsOf(id: RequirementId): readonly Need[] {
  const [, ...needs] = CHECKS[id];
  return needs;
}

/** Hold the target to one requirement, with a worker at hand unless the check says otherwise. */
export async function check(id: RequirementId, target: Target): Promise<void> {
  await target.control?.serve(1);
  const [run] = CHECKS[id];
  await run(target);
}
