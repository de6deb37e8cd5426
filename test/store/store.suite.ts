/**
 * What holds for every store, whatever its engine. A store of your own is tested by calling
 * `storeSuite` with a way to open an empty one.
 */
import { describe } from 'node:test';
import { applying } from './suite/applying.ts';
import { claiming } from './suite/claiming.ts';
import { effects } from './suite/effects.ts';
import { keeping } from './suite/keeping.ts';
import { lettingGo } from './suite/letting-go.ts';
import { limiting } from './suite/limiting.ts';
import { moves } from './suite/moves.ts';
import type { OpenStore } from './suite/open.ts';
import { once } from './suite/once.ts';
import { questions } from './suite/questions.ts';
import { sweeping } from './suite/sweeping.ts';
import { visibility } from './suite/visibility.ts';

/** @param open gives an empty store, with the given tables beside its own */
export function storeSuite(name: string, open: OpenStore): void {
  describe(name, () => {
    describe('keeping jobs', () => keeping(open));
    describe('who sees what', () => visibility(open));
    describe('claiming', () => claiming(open));
    describe('running limits', () => limiting(open));
    describe('letting go what limits hold', () => lettingGo(open));
    describe('applying', () => applying(open));
    describe('the table of moves', () => moves(open));
    describe('effects', () => effects(open));
    describe('questions', () => questions(open));
    describe('submitting once', () => once(open));
    describe('sweeping', () => sweeping(open));
  });
}
