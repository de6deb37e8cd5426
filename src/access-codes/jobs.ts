/**
 * The one asynchronous tool of the application. The server imports this module for its schema and
 * its checks, workers import it for the work.
 *
 * No plaintext of a code leaves `run` but sealed: not in the result, an effect, a log or an error.
 */
import { z } from 'zod';
import {
  defineJob,
  JobError,
  newId,
  now,
  toWireTime,
  type PrepareContext,
  type Effect,
} from '../index.ts';
import { boundsOf, notFound } from './access.ts';
import { macOf, makeCodes } from './codes.ts';
import { expiresAt, PRESETS, UNITS } from './expiry.ts';
import { deriveKeys } from './keys.ts';
import { previewFor } from './preview.ts';
import type { Preview } from './pricing.ts';
import { seal } from './seal.ts';
import { settingsOf } from './settings.ts';
import { getPlan, insertBatch, insertCode, type PlanRow } from './statements.ts';
import { idText } from './text.ts';

/**
 * The most that an operator may allow, and not what is allowed here, which `prepare` checks: the schema
 * is a constant of this module. Workers check by it too what was submitted under another setting.
 */
const QUANTITY_MAX = 10_000;

const input = z
  .object({
    plan_id: idText,
    quantity: z.int().min(1).max(QUANTITY_MAX).describe('1..1000, unless the operator allows more'),
    export_type: z
      .enum(['file', 'messages'])
      .refine((type) => type !== 'messages', 'messages is not available yet; use file')
      .describe('file: one CSV. messages: not available yet'),
    expiry_preset: z.enum(PRESETS),
    custom_expiry_amount: z.int().min(1).max(999).optional().describe('Only with custom'),
    custom_expiry_type: z.enum(UNITS).optional().describe('Only with custom'),
    consent_to_overage: z
      .boolean()
      .default(false)
      .describe('Must be true when preview_access_code_cost says will_bill_overage'),
  })
  .superRefine((given, context) => {
    const isCustom = given.expiry_preset === 'custom';
    for (const field of ['custom_expiry_amount', 'custom_expiry_type'] as const) {
      if ((given[field] !== undefined) === isCustom) continue;
      const message = isCustom ? 'is required with custom' : 'is allowed only with custom';
      context.addIssue({ code: 'custom', path: [field], message });
    }
  });

const output = z.object({
  count: z.int(),
  batch_id: z.string(),
  plan_id: z.string(),
  expires_at: z.string().nullable(),
});

/** Everything that must not change between the submission and the work. */
type Carry = {
  readonly batch_id: string;
  readonly project_id: string;
  /** Milliseconds; the time in the queue does not move it. */
  readonly expires_at: number | null;
};

export const bulkGenerateAccessCodes = defineJob({
  name: 'bulk_generate_access_codes',
  title: 'Generate access codes',
  description:
    'Queues one batch of single-use access codes for a plan. When it is completed, result.download_url is the CSV, for the owner of the token only; the codes are in no answer. Making codes is free; each may be billed when redeemed, see preview_access_code_cost.',
  ability: 'project-access-code:create',
  input,
  output,
  timeoutMs: 60_000,
  prepare: async (given, context) => {
    const settings = settingsOf(context.settings);
    const { quantityMax } = settings;
    if (given.quantity > quantityMax) {
      throw refused('quantity', `must be in 1..${quantityMax}, is ${given.quantity}`);
    }
    const plan = await activePlan(given.plan_id, context);
    const expires_at = expiresAt(now(), given);
    const preview = await previewFor(given.quantity, context.who.team, context);
    if (
      preview.chargeable_quantity > 0 &&
      !given.consent_to_overage &&
      !(await consent(preview, context))
    ) {
      throw new JobError('VALIDATION_FAILED', {
        message: `${preview.chargeable_quantity} of the codes would be billed when redeemed, ${preview.cost} in all, and consent_to_overage is not true.`,
        remediation: 'Ask whoever pays, then call again with consent_to_overage true.',
        fields: { consent_to_overage: ['must be true for a batch that may be billed'] },
        context: { reason: 'overage_consent_required', preview },
      });
    }
    const carry: Carry = { batch_id: newId('btc'), project_id: plan.project_id, expires_at };
    return { carry, answer: { preview }, scope: plan.project_id };
  },
  run: (given, job) => {
    const { carry } = job;
    const codes = makeCodes(given.quantity);
    const effects = effectsOf(codes, { ...job, plan: given.plan_id });
    const result = {
      count: codes.length,
      batch_id: carry.batch_id,
      plan_id: given.plan_id,
      expires_at: carry.expires_at === null ? null : toWireTime(carry.expires_at),
    };
    return job.complete(result, effects);
  },
  view: (result, { publicUrl }) => ({
    download_url: `${publicUrl}/batches/${result.batch_id}.csv`,
  }),
});

/** Ask whoever calls, where the client can show a question, before there is a job. */
async function consent(preview: Preview, { ask }: PrepareContext): Promise<boolean> {
  const { chargeable_quantity, cost } = preview;
  // Consent is to this price: should it change before the answer comes, the question is another one.
  const key = `consent_to_overage_of_${cost}`;
  const answers = await ask({
    [key]: {
      message: `${chargeable_quantity} of the codes would be billed when redeemed, ${cost} in all. Make them?`,
      requestedSchema: {
        type: 'object',
        properties: { consent: { type: 'boolean', title: 'I consent to the charge' } },
        required: ['consent'],
      },
    },
  });
  const answer = answers?.[key];
  return answer?.action === 'accept' && answer.content?.['consent'] === true;
}

async function activePlan(id: string, context: PrepareContext): Promise<PlanRow> {
  const [plan] = await context.read(getPlan, { ...boundsOf(context.who), id });
  if (plan === undefined) throw notFound();
  if (plan.active === 0) throw refused('plan_id', 'is a plan that is no longer active');
  return plan;
}

/** A batch with exactly these codes, or nothing: the expectations see to it. */
function effectsOf(
  codes: readonly string[],
  run: {
    readonly team: string;
    readonly owner: string;
    readonly plan: string;
    readonly carry: Carry;
    readonly settings: unknown;
  },
): Effect[] {
  const { team, owner, plan, carry } = run;
  const { batch_id: batch, project_id: project, expires_at } = carry;
  const keys = deriveKeys(settingsOf(run.settings).key);
  const sealed = seal(codes, { key: keys.seal, team, batch });
  const at = now();
  const rows = codes.map((code, index) => ({
    id: newId('sub', at),
    team,
    project,
    plan,
    batch,
    ordinal: index + 1,
    code_mac: macOf(code, keys.mac),
    first4: code.slice(0, 4),
    last4: code.slice(-4),
    expires_at,
    at,
  }));
  const quantity = codes.length;
  return [
    insertBatch({ id: batch, team, owner, plan, quantity, expires_at, at, sealed }, { expect: 1 }),
    insertCode(rows, { expect: quantity }),
  ];
}

function refused(field: string, problem: string): JobError {
  const message = `The arguments are not valid: ${field}: ${problem}.`;
  return new JobError('VALIDATION_FAILED', { message, fields: { [field]: [problem] } });
}
