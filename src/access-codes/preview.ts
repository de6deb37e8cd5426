import { now, type PrepareContext } from '../index.ts';
import { cycleOf, previewOf, type Preview } from './pricing.ts';
import { settingsOf } from './settings.ts';
import { getRedemptions } from './statements.ts';

/** What a batch of the team might bill, as things stand now. */
export async function previewFor(
  quantity: number,
  team: string,
  context: Pick<PrepareContext, 'read' | 'settings'>,
): Promise<Preview> {
  const [row] = await context.read(getRedemptions, { team, cycle: cycleOf(now()) });
  return previewOf(quantity, row?.count ?? 0, settingsOf(context.settings));
}
