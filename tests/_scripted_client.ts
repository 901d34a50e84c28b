/**
 * A client by script: it sends nothing, notes every call, and answers what the
 * test has told it to.
 *
 * @module
 */
import type { KeyCommands, ServerCommands } from "@x/memcache";

/** One call that was made. */
export interface Called {
  /** Name of the method. */
  readonly method: string;
  /** Its arguments. */
  readonly args: readonly unknown[];
}

/** The methods of a client with commands for keys and for a server. */
export const METHODS: readonly string[] = [
  ...["get", "getItem", "getMany", "gets", "getsMany", "gat", "gats", "has"],
  ...["set", "add", "replace", "append", "prepend", "cas", "setMany"],
  ...["delete", "deleteMany", "incr", "decr", "touch"],
  ...["stats", "statsSettings", "statsItems", "statsSlabs", "statsSizes"],
  ...["statsConns", "version", "flushAll", "verbosity", "cacheMemlimit"],
  ...["rawCommand", "quit", "shutdown", "flush", "disconnect", "close"],
];

/** What a call answers: an error is thrown, a function is asked. */
export type Answer = unknown;

/** A client by script. */
export interface ScriptedClient {
  /** The client itself. */
  readonly client: KeyCommands & ServerCommands;
  /** The calls that were made, in their order. */
  readonly calls: Called[];
  /** What the next calls answer, in their order; `undefined` after the last. */
  readonly answers: Answer[];
}

/** Makes a client that gives these answers, one after another. */
export function scripted(...answers: Answer[]): ScriptedClient {
  const calls: Called[] = [];
  const methods = METHODS.map((method) =>
    [method, (...args: unknown[]): Promise<unknown> => {
      calls.push({ method, args });
      const answer = answers.shift();
      const given: unknown = typeof answer === "function"
        ? answer(...args)
        : answer;
      return given instanceof Error
        ? Promise.reject(given)
        : Promise.resolve(given);
    }] as const
  );
  // All methods that there are; that they have the types is up to the answers.
  const client = Object.fromEntries(methods) as unknown as
    & KeyCommands
    & ServerCommands;
  return { client, calls, answers };
}
