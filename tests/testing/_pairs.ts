/**
 * The recorded requests and replies of memcached 1.6.18.
 *
 * @module
 */
import type { MemcachedServerOptions } from "../../src/testing/options.ts";
import { readVectors } from "../_vectors.ts";

type Part = string | { readonly rep: string; readonly n: number };

/** A request and its reply, or a pause. */
export interface Step {
  /** What was sent, as a latin1 text. */
  readonly send?: string;
  /** What was sent, where it is long: texts, and texts to repeat. */
  readonly send_parts?: readonly Part[];
  /** All that came back, as a latin1 text. */
  readonly recv: string;
  /** Whether memcached closed the connection. */
  readonly closed?: boolean;
  /** Seconds to wait, in place of a request. */
  readonly wait_s?: number;
}

/** One connection to a fresh server. */
export interface Case {
  /** Its name. */
  readonly id: string;
  /** memcached's arguments. */
  readonly server_args?: readonly string[];
  /** What went over the connection, in order. */
  readonly steps: readonly Step[];
}

/** The files, and how many pairs they have. */
export const PAIRS: Readonly<Record<string, number>> = {
  classic_pairs: 224,
  meta_pairs: 461,
  meta_random_pairs: 576,
};

const ARGS: Readonly<Record<string, MemcachedServerOptions>> = {
  "-A": { allowShutdown: true },
  "-F": { flush: false },
  "-C": { cas: false },
};

/** Reads the cases of a file. */
export function readCases(file: string): readonly Case[] {
  return readVectors<{ cases: Case[] }>(`${file}.json`).cases;
}

/** The options that stand for memcached's arguments. */
export function optionsOf({ server_args = [] }: Case): MemcachedServerOptions {
  return Object.assign({}, ...server_args.map((arg) => ARGS[arg]));
}

/** The whole of what a step sends. */
export function sendOf({ send, send_parts = [] }: Step): string {
  return send ??
    send_parts.map((part) =>
      typeof part === "string" ? part : part.rep.repeat(part.n)
    ).join("");
}
