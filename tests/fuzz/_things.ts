/**
 * What callers give, on purpose or not, in place of keys, numbers, options and
 * everything else.
 *
 * @module
 */
import type { Random } from "../wire/_random.ts";

/** Something hostile; made anew for every call, as some change when looked at. */
export interface Thing {
  /** For who reads a failure. */
  readonly name: string;
  /** Makes it. */
  make(): unknown;
}

/** What hostile code throws. */
export const BOOM: Error = new Error("boom");

/** The text of most hostile things. */
export const EVIL = "0\r\nflush_all";

/** What is a second command where it is taken as it stands. */
const INJECTIONS: readonly string[] = [
  EVIL,
  ...["k\r\nflush_all\r\n", "k\nflush_all", "k\rflush_all", "\r\n", "\n", "\r"],
  ...["k\r\ndelete canary\r\nget k", "k 0 0 1\r\nx\r\ndelete canary"],
  "0\r\nset canary 0 0 1\r\nx",
  ...["1 noreply", "k noreply", "k 0 0 1", "a b", " ", " k", "k ", "a\tb"],
  // What becomes CR LF where only the low byte of a unit is sent.
  "k\u010d\u010aflush_all",
  "k\u560d\u560aflush_all",
  ...["%0d%0aflush_all", "\\r\\nflush_all", "k\0", "\0", "\0\r\nflush_all"],
];

/** Text at the edges of what is a key or a number. */
const TEXTS: readonly string[] = [
  ...["", "k", "noreply", "0", "1", "-1", "+1", "01", "1e3", "0x10", "1.5"],
  ...["１２", "٣", "18446744073709551615", "18446744073709551616", "NaN"],
  ...["\x7f", "k\x7f", "\x85", "k\x85x", "\xa0", "\u2028", "k\u2029", "\ufeff"],
  ...["é", "日本", "😀", "\ud800", "\udc00x", "x\ud800", "__proto__"],
  ...["constructor", "x".repeat(249), "x".repeat(250), "x".repeat(251)],
  ...["x".repeat(70_000), "é".repeat(125), "é".repeat(126), "😀".repeat(63)],
];

const NUMBERS: ReadonlyArray<number | bigint> = [
  ...[0, -0, 1, -1, 0.5, 1.5, NaN, Infinity, -Infinity, 5e-324, 1e300, -1e21],
  ...[2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, 1e21],
  ...[0n, 1n, -1n, 2n ** 53n, 2n ** 64n - 1n, 2n ** 64n, 10n ** 400n],
];

/** Throws whatever is done to it. */
function thrower(target: object): unknown {
  return new Proxy(
    target,
    new Proxy({}, {
      get: () => () => {
        throw BOOM;
      },
    }),
  );
}

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** Says one thing as often as that, and another from then on. */
export function turncoat(
  first: Record<string, unknown>,
  then: unknown,
  times = 1,
): unknown {
  const object = {};
  for (const name of Object.keys(first)) {
    let asked = 0;
    Object.defineProperty(object, name, {
      enumerable: true,
      get: () => asked++ < times ? first[name] : then,
    });
  }
  return object;
}

/** The same for a pair, by its indices. */
function turncoatPair(): unknown {
  let asked = 0;
  return new Proxy(["r", "k"], {
    get: (pair, name) =>
      name === "1" && asked++ > 0 ? "k\r\nflush_all" : Reflect.get(pair, name),
  });
}

class LyingDate extends Date {
  override getTime(): number {
    return EVIL as unknown as number;
  }
  override valueOf(): number {
    return EVIL as unknown as number;
  }
  override toString(): string {
    return EVIL;
  }
}

/** Every option that a method knows, in order that the turncoat knows them too. */
const OPTIONS: Record<string, unknown> = {
  ttl: 5,
  flags: 5,
  delay: 5,
  initial: 5,
  timeout: 5,
  noreply: false,
  graceful: false,
  endToken: "\r\n",
};

const OTHERS: Readonly<Record<string, () => unknown>> = {
  "null": () => null,
  "undefined": () => undefined,
  "true": () => true,
  "false": () => false,
  "a symbol": () => Symbol(EVIL),
  "a well-known symbol": () => Symbol.iterator,
  "a function": () => () => EVIL,
  "a function with a text": () =>
    Object.assign(() => 1, { toString: () => EVIL }),
  "a class": () => class {},
  "an object": () => ({}),
  "an object with a text": () => ({ toString: () => EVIL }),
  "an object with a value": () => ({ valueOf: () => EVIL, toString: () => "" }),
  "an object that is primitive": () => ({ [Symbol.toPrimitive]: () => EVIL }),
  "an object that throws": () => ({
    toString: () => {
      throw BOOM;
    },
  }),
  "an object without a prototype": () => Object.create(null),
  "an object of lines": () => ({ [EVIL]: EVIL }),
  "an object with evil options": () => ({
    ...{ ttl: EVIL, flags: EVIL, noreply: EVIL, delay: EVIL, initial: EVIL },
    ...{ timeout: EVIL, signal: EVIL, graceful: EVIL, endToken: "" },
    ...{ touch: EVIL, vivify: EVIL, recache: EVIL, opaque: EVIL, mode: EVIL },
    ...{ delta: EVIL, newCas: EVIL, compareCas: EVIL, returnKey: EVIL },
  }),
  "options that change": () => turncoat(OPTIONS, EVIL),
  "an empty array": () => [],
  "an array of one": () => ["k"],
  "an array of evil": () => [EVIL],
  "an array of two": () => ["r", "k"],
  "an array of two with evil": () => ["r", EVIL],
  "an array of two with an evil route": () => [EVIL, "k"],
  "an array of three": () => ["r", "k", "x"],
  "an array with a number": () => ["r", 1],
  "an array of arrays": () => [["r", EVIL], ["k"]],
  "a sparse array": () => new Array(2),
  "a pair that changes": () => turncoatPair(),
  "something like an array": () => ({ length: 2, 0: "r", 1: EVIL }),
  "a String": () => new String("k"),
  "an evil String": () => new String(EVIL),
  "a Number": () => new Number(5),
  "a BigInt": () => Object(1n),
  "a Symbol": () => Object(Symbol("s")),
  "a Date": () => new Date(2e12),
  "an invalid Date": () => new Date(NaN),
  "the last Date": () => new Date(8.64e15),
  "a Date that lies": () => new LyingDate(2e12),
  "bytes": () => new Uint8Array([107, 13, 10]),
  "a buffer": () => new ArrayBuffer(4),
  "a Map": () => new Map([["r", "k"]]),
  "an evil Map": () => new Map([["r", EVIL]]),
  "a Set": () => new Set(["k"]),
  "an evil Set": () => new Set([EVIL]),
  "a generator": () => [EVIL].values(),
  "an iterable that throws": () => ({
    [Symbol.iterator]: () => {
      throw BOOM;
    },
  }),
  "an iterable that is none": () => ({ [Symbol.iterator]: 5 }),
  "a promise": () => Promise.resolve("k"),
  "a thenable": () => ({ then: (done: (value: string) => void) => done(EVIL) }),
  "a regular expression": () => /k/,
  "an Error": () => new Error(EVIL),
  "a proxy": () => new Proxy({}, {}),
  "a proxy that throws": () => thrower({}),
  "a proxy of an array that throws": () => thrower([]),
  "a proxy of a function that throws": () => thrower(() => {}),
  "a revoked proxy": () => revoked(),
  "an aborted signal": () => AbortSignal.abort(BOOM),
  "a signal": () => new AbortController().signal,
  "an AbortController": () => new AbortController(),
  "something like a signal": () => ({
    aborted: false,
    addEventListener: () => {},
    removeEventListener: () => {},
  }),
  "a WeakMap": () => new WeakMap(),
};

function plain(value: string | number | bigint): Thing {
  const shown = typeof value === "string"
    ? JSON.stringify(value.slice(0, 40))
    : typeof value === "bigint"
    ? "a bigint"
    : Object.is(value, -0)
    ? "-0"
    : String(value);
  return { name: shown, make: () => value };
}

/** Everything hostile that has a name. */
export const THINGS: readonly Thing[] = [
  ...[...INJECTIONS, ...TEXTS, ...NUMBERS].map(plain),
  ...Object.entries(OTHERS).map(([name, make]) => ({ name, make })),
];

/** Bytes, which are keys of meta commands: no UTF-8, and at the limits. */
export const BYTES: readonly Thing[] = [
  ...[[], [0], [13, 10], [0xff, 0xfe], [0xc3, 0x28], [0xed, 0xa0, 0x80]],
  ...[185, 186, 187, 250, 70_000].map((length) => new Array(length).fill(98)),
  [...EVIL].map((unit) => unit.charCodeAt(0)),
].map((bytes) => ({
  name: `${bytes.length} bytes`,
  make: () => Uint8Array.from(bytes),
}));

const UNITS: readonly string[] = [
  ...["\r", "\n", "\r\n", " ", "\t", "\0", "\x7f", "\x80", "\x85", "\xa0"],
  ...["\u2028", "\u2029", "\ufeff", "\ud800", "\udfff", "\u010d", "\u010a"],
  ...["é", "日", "😀", "\x1b[0m", "noreply", "flush_all", "0", "1", "-", ","],
  ...["k", "canary", "set ", "delete ", "'", '"', "\\", "%", "{}", "::", "\v"],
];

/** Text of whatever has ever broken a line, by chance. */
export function hostileText(random: Random): Thing {
  let text = "";
  for (let n = 1 + random.below(random.oneIn(9) ? 200 : 6); n > 0; n--) {
    text += random.oneIn(3)
      ? String.fromCharCode(33 + random.below(94))
      : random.oneIn(9)
      ? String.fromCharCode(random.below(0x10000))
      : random.pick(UNITS);
  }
  return plain(text);
}
