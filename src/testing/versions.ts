/**
 * What the versions of memcached know: the commands and flags that came after
 * the first ones. Sources are the tags of its repository, its release notes
 * and doc/protocol.txt.
 *
 * @module
 */

/** The first version that knows a thing. */
const SINCE = {
  /** `gat` and `gats`. */
  getAndTouch: "1.5.3",
  /** `mg`, `ms`, `md`, `me` and `mn`. */
  meta: "1.5.19",
  /** `ma`. */
  metaArithmetic: "1.6.0",
  /** `lru_crawler metadump hash`. */
  dumpByHash: "1.6.9",
  /** The flag b of meta commands. */
  binaryKeys: "1.6.10",
  /** `watch connevents`. */
  watchConnections: "1.6.11",
  /** `mg` without flags, and O and k in the reply to a miss. */
  bareMiss: "1.6.18",
  /** Replies to `md`, and to an `ma` without effect, without a blank too many. */
  tightReplies: "1.6.18",
  /** `lru_crawler mgdump`. */
  mgdump: "1.6.19",
  /** The flag s of `ms`. */
  storedSize: "1.6.20",
  /** The flag N of `ms`, when it appends or prepends. */
  vivifyAppend: "1.6.20",
  /** `watch deletions`. */
  watchDeletions: "1.6.20",
  /** The flag E. */
  newCas: "1.6.27",
  /** The flag x of `md`. */
  removeValue: "1.6.27",
  /** The flag C of `mg`; before, it is read and has no effect. */
  compareOnGet: "1.6.40",
} as const;

/** What a server knows of what not all versions do. */
export type Knowledge =
  & Readonly<Record<keyof typeof SINCE, boolean>>
  & {
    /** Whether the flag c of `ms` returns the size too: a defect of 1.6.20. */
    readonly sizeAfterCas: boolean;
  };

/** A version that is not of the form `1.6.18` is taken for this one. */
const USUAL = [1, 6, 18];

/**
 * Says what a version of memcached knows.
 *
 * @param version such as `"1.6.18"`; anything may follow
 * @param meta whether the meta commands are known, whatever the version
 */
export function knowledgeOf(version: string, meta?: boolean): Knowledge {
  const own = parse(version) ?? USUAL;
  const known = Object.fromEntries(
    Object.entries(SINCE).map(([name, since]) => [
      name,
      compare(own, parse(since) ?? USUAL) >= 0,
    ]),
  ) as Record<keyof typeof SINCE, boolean>;
  if (meta !== undefined) known.meta = known.metaArithmetic = meta;
  return { ...known, sizeAfterCas: compare(own, [1, 6, 20]) === 0 };
}

function parse(version: string): number[] | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(version);
  return match === null ? undefined : match.slice(1).map(Number);
}

function compare(a: readonly number[], b: readonly number[]): number {
  const index = a.findIndex((number, i) => number !== b[i]);
  return index === -1 ? 0 : a[index] - b[index];
}
