/** Who is asking, as the server's `identify` found it for this one request. */
export interface Who {
  readonly team: string;
  readonly owner: string;
  /** Named rights. `*` stands for every one but those in `NAMED_ONLY`. */
  readonly abilities: readonly string[];
  /** When given, only jobs without a scope or with one of these are visible. */
  readonly scopes?: readonly string[];
}

/** See the whole team's jobs (get, wait, list). */
export const VIEW_ANY = 'job:view-any';

/** Abilities that `*` does not stand for: they are granted by name or not at all. */
export const NAMED_ONLY: readonly string[] = [VIEW_ANY];

/** Whether the caller may do what the ability names. */
export function can(who: Who, ability: string): boolean {
  if (who.abilities.includes(ability)) return true;
  return who.abilities.includes('*') && !NAMED_ONLY.includes(ability);
}

/** Equal for the same caller with the same rights, whatever else `identify` says of them. */
export function rightsOf({ team, owner, abilities, scopes }: Who): string {
  return JSON.stringify([team, owner, abilities, scopes]);
}
