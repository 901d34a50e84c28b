/**
 * Checks of arguments, and what all commands are registered with.
 *
 * @module
 */

import type { Command } from "commander";
import { UsageError } from "./failure.ts";
import type { Session } from "./session.ts";

/** Runs a command with a session, and keeps its exit code. */
export type Run = (
  work: (session: Session) => Promise<number>,
) => Promise<void>;

/** Adds commands to a program. */
export type Register = (program: Command, run: Run) => void;

/** Makes a check of whole numbers within limits. */
export function whole(
  name: string,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (
      !/^-?\d{1,16}$/.test(text) || !Number.isSafeInteger(number) ||
      number < min || number > max
    ) {
      throw new UsageError(
        `Cannot use ${name}: ${JSON.stringify(text)}, must be a whole number ` +
          `from ${min} to ${max}`,
      );
    }
    return number;
  };
}

/** Makes a check of decimal numbers within limits. */
export function decimal(
  name: string,
  min: number,
  max: number,
): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (!/^\d+(?:\.\d+)?$/.test(text) || number < min || number > max) {
      throw new UsageError(
        `Cannot use ${name}: ${JSON.stringify(text)}, must be a number ` +
          `from ${min} to ${max}`,
      );
    }
    return number;
  };
}

/** Makes a check of numbers of 64 bits. */
export function wide(name: string): (text: string) => bigint {
  return (text) => {
    if (/^\d{1,20}$/.test(text)) {
      const number = BigInt(text);
      if (number < 2n ** 64n) return number;
    }
    throw new UsageError(
      `Cannot use ${name}: ${JSON.stringify(text)}, must be a whole number ` +
        "from 0 to 2^64 - 1",
    );
  };
}

/** A lifetime in seconds: a number, or one with s, m, h or d behind. */
export function lifetime(text: string): number {
  const found = /^(-?\d{1,12})([smhd]?)$/.exec(text);
  if (found === null) {
    throw new UsageError(
      `Cannot use ttl: ${JSON.stringify(text)}, must be whole seconds, or ` +
        "such as 90s, 15m, 12h or 7d",
    );
  }
  const [, number, unit] = found;
  const seconds = { "": 1, s: 1, m: 60, h: 3600, d: 86_400 }[unit] ?? 1;
  return Number(number) * seconds;
}

/** Adds to the list of an option that may be given several times. */
export function collect(text: string, before: string[] | undefined): string[] {
  return [...before ?? [], text];
}
