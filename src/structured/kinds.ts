/**
 * What the writer and the reader of structured values agree on: kinds of
 * objects, and the limits.
 *
 * @module
 */

/**
 * How deep objects may be nested. The walks take stack for each; engines have
 * enough for 1,500 to 10,000, of which callers use some.
 */
export const MAX_DEPTH = 500;

/** Elements that all arrays with holes of a value may claim to have. */
export const MAX_SPARSE = 16_777_216;

/**
 * Characters of all patterns of a value. Engines compile them as they are read,
 * which costs up to 8 µs a character, and in Bun the square of named groups.
 */
export const MAX_PATTERNS = 16_384;

/** The classes of errors that structuredClone keeps apart. */
export const ERRORS: ReadonlyMap<string, ErrorConstructor> = new Map<
  string,
  ErrorConstructor
>([
  ["Error", Error],
  ["EvalError", EvalError],
  ["RangeError", RangeError],
  ["ReferenceError", ReferenceError],
  ["SyntaxError", SyntaxError],
  ["TypeError", TypeError],
  ["URIError", URIError],
]);

/** The kinds of views over an `ArrayBuffer`. */
export const VIEWS: ReadonlySet<string> = new Set([
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Float16Array",
  "Int32Array",
  "Uint32Array",
  "Float32Array",
  "Float64Array",
  "BigInt64Array",
  "BigUint64Array",
  "DataView",
]);

/**
 * Tells the depth of what is visited while objects are visited from the top
 * down, told only who comes next.
 */
export class Depth {
  readonly #path: object[] = [];

  /**
   * Goes down into an object.
   *
   * @returns Whether it is not too deep.
   */
  enter(object: object): boolean {
    return this.#path.push(object) <= MAX_DEPTH;
  }

  /** Comes back to an object that was gone into, if it is not there. */
  back(object: object): void {
    const path = this.#path;
    while (path[path.length - 1] !== object && path.length > 1) path.pop();
  }
}
