/**
 * The recorded pairs of the meta protocol, and which of them a client can say.
 *
 * @module
 */
import { type Case, readCases, sendOf, type Step } from "../testing/_pairs.ts";
import { assign, repliesOf } from "./_meta_replies.ts";
import {
  commandsOf,
  type Options,
  type Recorded,
  translate,
  type Translated,
} from "./_meta_requests.ts";

/** A translated call. */
export type Call = Extract<Translated, { options: Options }>;

/** One recorded pair, or a pause. */
export interface Pair {
  /** The request. */
  readonly send: string;
  /** What was received. */
  readonly recv: string;
  /** Seconds to wait, in place of a request. */
  readonly wait: number | undefined;
  /** Whether memcached answered the same each time. */
  readonly isDeterministic: boolean;
  /** Whether a time is in it, which may be one off. */
  readonly hasTime: boolean;
  /** The calls and their replies, where all of it can be said. */
  readonly calls: ReadonlyArray<readonly [Call, string | undefined]>;
  /** Why it cannot, where that is so. */
  readonly reason: string | undefined;
  /** The call that the client refuses, where that is the reason. */
  readonly refused: Call | undefined;
}

/** One connection to a fresh server. */
export interface MetaCase {
  /** As it was recorded. */
  readonly recorded: Case;
  /** What went over it. */
  readonly pairs: readonly Pair[];
}

/** The files, and how many deterministic pairs they have. */
export const META_PAIRS: Readonly<Record<string, number>> = {
  meta_pairs: 459,
  meta_random_pairs: 576,
};

/** How many of them are all calls of `client.meta`. */
export const COVERED: Readonly<Record<string, number>> = {
  meta_pairs: 327,
  meta_random_pairs: 426,
};

interface MetaStep extends Step {
  readonly deterministic?: boolean;
  readonly time?: boolean;
}

/** Reads the cases of a file. */
export function readMetaCases(file: string): MetaCase[] {
  return readCases(file).map((recorded) => {
    let isOpen = false;
    const pairs = recorded.steps.map((step) => {
      const pair = read(step, isOpen);
      // Not answered at all: it is the begin of something.
      isOpen = step.wait_s === undefined && pair.recv === "";
      return pair;
    });
    return { recorded, pairs };
  });
}

function read(step: MetaStep, isOpen: boolean): Pair {
  const send = step.wait_s === undefined ? sendOf(step) : "";
  const { recv = "", wait_s, deterministic = true, time = false } = step;
  const pair = {
    send,
    recv,
    wait: wait_s,
    isDeterministic: deterministic,
    hasTime: time,
    calls: [],
    refused: undefined,
  };
  if (isOpen) return { ...pair, reason: "the rest of a command" };
  const commands = commandsOf(send);
  if (commands === undefined) return { ...pair, reason: "lines cut in two" };
  const calls: Call[] = [];
  for (const command of commands) {
    const translated: Translated = translate(command);
    if (translated.kind === "none") {
      return { ...pair, reason: translated.reason };
    }
    if (translated.kind === "refused") {
      return { ...pair, reason: translated.reason, refused: translated };
    }
    calls.push(translated);
  }
  const replies = together(commands, recv);
  return replies === undefined
    ? { ...pair, reason: "replies that belong to no command" }
    : {
      ...pair,
      calls: calls.map((one, i) => [one, replies[i]] as const),
      reason: undefined,
    };
}

function together(
  commands: readonly Recorded[],
  recv: string,
): Array<string | undefined> | undefined {
  const replies = repliesOf(recv);
  return replies && assign(commands, replies);
}
