/**
 * Random graphs of everything that `structuredClone` carries, and a judge that
 * tells whether two graphs are the same.
 *
 * @module
 */
import { randomBytes, randomText } from "../serde/_cases.ts";

type Next = (below: number) => number;

/** Kinds of typed arrays that this runtime has. */
export const VIEWS: readonly string[] = [
  ...["Int8Array", "Uint8Array", "Uint8ClampedArray", "Int16Array"],
  ...["Uint16Array", "Float16Array", "Int32Array", "Uint32Array"],
  ...["Float32Array", "Float64Array", "BigInt64Array", "BigUint64Array"],
].filter((name) => name in globalThis);

/** The classes of errors that structuredClone keeps apart. */
export const ERRORS: readonly ErrorConstructor[] = [
  ...[Error, EvalError, RangeError, ReferenceError],
  ...[SyntaxError, TypeError, URIError],
];

type ViewConstructor = new (
  buffer: ArrayBuffer,
  offset?: number,
  length?: number,
) => ArrayBufferView;

/** A view of a kind over a buffer. */
export function makeView(
  name: string,
  buffer: ArrayBuffer,
  offset?: number,
  length?: number,
): ArrayBufferView {
  const View = Reflect.get(globalThis, name) as ViewConstructor;
  return new View(buffer, offset, length);
}

/** What is not written as it is, by some. */
const NAMES: readonly string[] = [
  ...["a", "b", "0", "7", "", "constructor", "prototype", "toString"],
  ...["length", "then", "toJSON", "valueOf", "hasOwnProperty", "\ud800"],
  ...["name", "message", "cause", "日本", "\u2028", "<script>", '"\\'],
];

const NUMBERS: readonly number[] = [
  ...[0, -0, 1, -1, NaN, Infinity, -Infinity, 0.1, 1e21, 5e-324, 2 ** 53],
  ...[-(2 ** 31), 2 ** 32, Number.MAX_VALUE, -1e-7, 123456789012345680000],
];

const TEXTS: readonly string[] = [
  ...["", "Map", "-1", "__proto__", "\ud800", "\udc00x", "\u{1f600}"],
  ...["</script>", "\0\b\f\n\r\t\v", "\ufeff", "\ufffd", "null"],
];

/** Node 20 cannot clone an error that is its own cause, at any distance. */
const CLONES_CAUSES = (() => {
  const error = new Error("x");
  error.cause = error;
  try {
    structuredClone(error);
    return true;
  } catch {
    return false;
  }
})();

class Point {
  x: unknown;
  #secret = 1;
  constructor(x: unknown) {
    this.x = x;
  }
  get secret(): number {
    return this.#secret;
  }
}

/** Makes random graphs; every object may be met again anywhere in its graph. */
export class Graphs {
  readonly #next: Next;
  #made: object[] = [];
  #left = 0;

  /** Starts at a source of numbers. */
  constructor(next: Next) {
    this.#next = next;
  }

  /** One graph of at most about `size` objects. */
  make(size: number): unknown {
    this.#made = [];
    this.#left = size;
    return this.#object();
  }

  #value(): unknown {
    const next = this.#next;
    if (this.#left > 0 && next(3) === 0) return this.#object();
    switch (next(9)) {
      case 0:
        return NUMBERS[next(NUMBERS.length)];
      case 1:
        return next(2 ** 32) / 2 ** next(32);
      case 2:
        return undefined;
      case 3:
        return null;
      case 4:
        return next(2) === 0;
      case 5:
        return (BigInt(next(2 ** 32)) - (1n << 31n)) ** BigInt(next(6));
      case 6:
        return TEXTS[next(TEXTS.length)];
      default:
        return randomText(next, next(12));
    }
  }

  #object(): object {
    const next = this.#next;
    if (this.#made.length > 0 && next(5) === 0) {
      return this.#made[next(this.#made.length)];
    }
    this.#left--;
    switch (next(14)) {
      case 0:
      case 1:
        return this.#filled(this.#keep({}));
      case 2:
        return this.#filled(this.#keep(Object.create(null)));
      case 3: {
        const point = this.#keep(new Point(undefined));
        point.x = this.#value();
        return point;
      }
      case 4:
      case 5:
        return this.#array();
      case 6: {
        const map = this.#keep(new Map<unknown, unknown>());
        for (let i = next(5); i > 0; i--) map.set(this.#value(), this.#value());
        return map;
      }
      case 7: {
        const set = this.#keep(new Set<unknown>());
        for (let i = next(5); i > 0; i--) set.add(this.#value());
        return set;
      }
      case 8:
        return this.#keep(
          next(4) === 0
            ? new Date(NaN)
            : new Date((next(2 ** 32) - 2 ** 31) * 4000 + next(1000)),
        );
      case 9:
        return this.#keep(
          [/a\/b/gi, /(?:)/, /[/\]]+/su, /\n\u2028/y, /é/][next(5)],
        );
      case 10:
        return this.#error();
      case 11:
        return this.#keep(
          [Object(-0), Object("\ud800"), Object(true), Object(2n ** 64n)][
            next(4)
          ],
        );
      default:
        return this.#binary();
    }
  }

  #keep<T extends object>(object: T): T {
    this.#made.push(object);
    return object;
  }

  #filled(object: Record<string, unknown>): object {
    for (let i = this.#next(5); i > 0; i--) {
      object[NAMES[this.#next(NAMES.length)]] = this.#value();
    }
    return object;
  }

  #array(): unknown[] {
    const next = this.#next;
    const array = this.#keep([] as unknown[]);
    const length = next(7);
    for (let i = 0; i < length; i++) {
      if (next(5) > 0) array[i] = this.#value();
    }
    array.length = length;
    if (next(6) === 0) array[next(100_000)] = this.#value();
    return array;
  }

  #error(): Error {
    const Class = ERRORS[this.#next(ERRORS.length)];
    const error = this.#keep(
      new Class(TEXTS[this.#next(TEXTS.length)]),
    );
    if (this.#next(3) === 0) {
      error.cause = CLONES_CAUSES ? this.#value() : this.#next(100);
    }
    return error;
  }

  #binary(): object {
    const next = this.#next;
    const buffers = this.#made.filter((object): object is ArrayBuffer =>
      object instanceof ArrayBuffer
    );
    const buffer = buffers.length > 0 && next(3) > 0
      ? buffers[next(buffers.length)]
      : this.#keep(
        randomBytes(next, 8 * next(5)).buffer as ArrayBuffer,
      );
    const part = next(3) === 0 ? 8 * next(buffer.byteLength / 8 + 1) : 0;
    if (next(6) === 0) {
      return this.#keep(
        part > 0 ? new DataView(buffer, part) : new DataView(buffer),
      );
    }
    const name = VIEWS[next(VIEWS.length)];
    return this.#keep(
      part > 0 ? makeView(name, buffer, part) : makeView(name, buffer),
    );
  }
}

function kindOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

function bytesOf(view: ArrayBufferView): string {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).join();
}

const CARRIES_CAUSE = Object.hasOwn(
  structuredClone(new Error("x", { cause: 1 })),
  "cause",
);

/** What two graphs differ in first, or `undefined` if they are the same. */
export function difference(actual: unknown, expected: unknown): string | void {
  return new Judge().compare(actual, expected, "value");
}

class Judge {
  readonly #pairs = new Map<object, object>();
  readonly #seen = new Set<object>();

  compare(actual: unknown, expected: unknown, path: string): string | void {
    if (
      typeof actual !== "object" || actual === null ||
      typeof expected !== "object" || expected === null
    ) {
      return Object.is(actual, expected)
        ? undefined
        : `${path}: ${typeof actual} ${String(actual)}, not ${
          String(expected)
        }`;
    }
    const known = this.#pairs.get(expected);
    if (known !== undefined) {
      return known === actual ? undefined : `${path}: another object`;
    }
    if (this.#seen.has(actual)) return `${path}: one object for two`;
    this.#pairs.set(expected, actual);
    this.#seen.add(actual);
    const kind = kindOf(expected);
    if (kindOf(actual) !== kind) {
      return `${path}: ${kindOf(actual)}, not ${kind}`;
    }
    const prototype = Object.getPrototypeOf(actual);
    if (prototype !== Object.getPrototypeOf(expected)) {
      return `${path}: another prototype`;
    }
    return this.#compareContent(kind, actual, expected, path);
  }

  #compareContent(
    kind: string,
    actual: object,
    expected: object,
    path: string,
  ): string | void {
    if (ArrayBuffer.isView(expected)) {
      return this.#compareViews(actual as ArrayBufferView, expected, path);
    }
    switch (kind) {
      case "ArrayBuffer":
        return bytesOf(new Uint8Array(actual as ArrayBuffer)) ===
            bytesOf(new Uint8Array(expected as ArrayBuffer))
          ? undefined
          : `${path}: other bytes`;
      case "Date":
        return this.compare(
          (actual as Date).getTime(),
          (expected as Date).getTime(),
          `${path}.getTime()`,
        );
      case "RegExp":
        return this.compare(String(actual), String(expected), path);
      case "Number":
      case "String":
      case "Boolean":
      case "BigInt":
        return this.compare(actual.valueOf(), expected.valueOf(), path);
      case "Error":
        return this.#compareErrors(actual as Error, expected as Error, path);
      case "Map":
        return this.#compareLists(
          [...actual as Map<unknown, unknown>].flat(1),
          [...expected as Map<unknown, unknown>].flat(1),
          path,
        );
      case "Set":
        return this.#compareLists(
          [...actual as Set<unknown>],
          [...expected as Set<unknown>],
          path,
        );
      case "Array":
        if (
          (actual as unknown[]).length !== (expected as unknown[]).length
        ) return `${path}: another length`;
    }
    return this.#compareProperties(actual, expected, path);
  }

  #compareProperties(
    actual: object,
    expected: object,
    path: string,
  ): string | void {
    const names = Object.keys(expected);
    if (names.join("\n") !== Object.keys(actual).join("\n")) {
      return `${path}: other properties`;
    }
    for (const name of names) {
      const fault = this.compare(
        (actual as Record<string, unknown>)[name],
        (expected as Record<string, unknown>)[name],
        `${path}.${name}`,
      );
      if (fault !== undefined) return fault;
    }
  }

  #compareLists(
    actual: readonly unknown[],
    expected: readonly unknown[],
    path: string,
  ): string | void {
    if (actual.length !== expected.length) return `${path}: another size`;
    for (const [i, value] of expected.entries()) {
      const fault = this.compare(actual[i], value, `${path}(${i})`);
      if (fault !== undefined) return fault;
    }
  }

  #compareViews(
    actual: ArrayBufferView,
    expected: ArrayBufferView,
    path: string,
  ): string | void {
    if (bytesOf(actual) !== bytesOf(expected)) return `${path}: other bytes`;
    return expected.byteLength === expected.buffer.byteLength
      ? this.compare(actual.buffer, expected.buffer, `${path}.buffer`)
      // A part of a buffer leaves the rest behind.
      : this.compare(actual.byteLength, actual.buffer.byteLength, path);
  }

  #compareErrors(actual: Error, expected: Error, path: string): string | void {
    for (const name of ["message", "name"] as const) {
      if (actual[name] !== expected[name]) return `${path}: another ${name}`;
    }
    if (Object.keys(actual).length > 0) return `${path}: visible properties`;
    // Some runtimes leave the cause out: its own test looks after it.
    if (!CARRIES_CAUSE) return;
    if (Object.hasOwn(actual, "cause") !== Object.hasOwn(expected, "cause")) {
      return `${path}: cause or not`;
    }
    return this.compare(actual.cause, expected.cause, `${path}.cause`);
  }
}
