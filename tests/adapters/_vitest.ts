/**
 * As much of vitest as the suite of Keyv uses, in terms of our own `test()`.
 *
 * @module
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";

/** What a value is compared with. */
export interface Matchers {
  /** Is the same. */
  toBe(expected: unknown): void;
  /** Has the same content. */
  toEqual(expected: unknown): void;
  /** Is neither false, 0, "", null, undefined nor NaN. */
  toBeTruthy(): void;
  /** Is one of these. */
  toBeFalsy(): void;
  /** Is undefined. */
  toBeUndefined(): void;
  /** Is not undefined. */
  toBeDefined(): void;
  /** Is null. */
  toBeNull(): void;
}

type Body = (t: { expect: (value: unknown) => Matchers }) => unknown;

/** What a suite for vitest has registered. */
export class Collector {
  /** What comes before each test. */
  readonly before: Array<() => unknown> = [];
  /** What comes after each test. */
  readonly after: Array<() => unknown> = [];
  /** The tests, by name. */
  readonly tests: Array<readonly [name: string, body: Body]> = [];

  /** Registers what comes before each test. */
  beforeEach(fn: () => unknown): void {
    this.before.push(fn);
  }

  /** Registers what comes after each test. */
  afterEach(fn: () => unknown): void {
    this.after.push(fn);
  }

  /** Registers a test. */
  it(name: string, body: Body): void {
    this.tests.push([name, body]);
  }

  /** Runs one test, with what comes before and after it. */
  async run(body: Body): Promise<void> {
    for (const fn of this.before) await fn();
    try {
      await body({ expect });
    } finally {
      for (const fn of this.after) await fn();
    }
  }
}

/** Begins a comparison. */
export function expect(value: unknown): Matchers {
  return {
    toBe: (expected) => strictEqual(value, expected),
    toEqual: (expected) => deepStrictEqual(value, expected),
    toBeTruthy: () => ok(value),
    toBeFalsy: () => strictEqual(Boolean(value), false),
    toBeUndefined: () => strictEqual(value, undefined),
    toBeDefined: () => ok(value !== undefined),
    toBeNull: () => strictEqual(value, null),
  };
}
