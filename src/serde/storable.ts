/**
 * What JSON can carry without changing it.
 *
 * @module
 */

/** What stands in the way of storing a value, and what to do about it. */
export interface Obstacle {
  /** Names the kind of value, never the value. */
  readonly what: string;
  /** What the caller can do. */
  readonly remedy: string;
}

const CONVERT = "turn it into an array or an object first";
const WRAP = "wrap it in a Uint8Array and store that as the whole value";
const DATA = "store data only";

/** Built-in classes that JSON writes as `{}`, and what to do instead. */
const OPAQUE: ReadonlyMap<string, string> = new Map([
  ["Map", CONVERT],
  ["Set", CONVERT],
  ["Promise", "await it first"],
  ["RegExp", "store its source"],
  ["Error", "store its name and message"],
  ["ArrayBuffer", WRAP],
  ["SharedArrayBuffer", WRAP],
  ["WeakMap", DATA],
  ["WeakSet", DATA],
  ["WeakRef", DATA],
  ["Generator", CONVERT],
  ["AsyncGenerator", CONVERT],
  ["Array Iterator", CONVERT],
  ["Map Iterator", CONVERT],
  ["Set Iterator", CONVERT],
  ["String Iterator", CONVERT],
]);

const NOT_FINITE: Obstacle = {
  what: "NaN or an infinity",
  remedy: "store null or a text instead",
};
const FUNCTION: Obstacle = {
  what: "a function",
  remedy: DATA,
};
const SYMBOL: Obstacle = {
  what: "a symbol",
  remedy: "store its description",
};
const UNDEFINED: Obstacle = {
  what: "undefined",
  remedy: "store null, or delete the key",
};
const VIEW: Obstacle = {
  what: "a typed array or DataView",
  remedy: "store a Uint8Array of its bytes, as the whole value",
};
const INVALID_DATE: Obstacle = {
  what: "an invalid Date",
  remedy: "store null instead",
};

/**
 * Looks for what JSON would drop or turn into something else.
 *
 * Left alone are what JSON's users count on: an `undefined` property is left
 * out, a class instance is its own fields, and `toJSON` (a `Date` has one) has
 * the last word on its object. The value must not contain itself.
 */
export function findObstacle(value: unknown): Obstacle | undefined {
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? undefined : NOT_FINITE;
    case "function":
      return FUNCTION;
    case "symbol":
      return SYMBOL;
    case "undefined":
      return UNDEFINED;
    case "object":
      break;
    default:
      return undefined;
  }
  if (value === null) return undefined;
  if (Array.isArray(value)) {
    // By index: a hole in the array counts as the undefined that it reads as.
    for (let i = 0; i < value.length; i++) {
      const obstacle = findObstacle(value[i]);
      if (obstacle !== undefined) return obstacle;
    }
    return undefined;
  }
  const fields = value as Record<string, unknown>;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    const obstacle = classObstacle(value);
    if (obstacle !== undefined) return obstacle;
  }
  if (typeof fields.toJSON === "function") return undefined;
  for (const name in fields) {
    const field = fields[name];
    if (field === undefined || typeof field === "string") continue;
    const obstacle = findObstacle(field);
    // JSON writes own properties only, whatever a prototype has.
    if (obstacle !== undefined && Object.hasOwn(value, name)) return obstacle;
  }
  return undefined;
}

/** Says what keeps an instance of a class from being stored. */
function classObstacle(value: object): Obstacle | undefined {
  if (ArrayBuffer.isView(value)) return VIEW;
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? INVALID_DATE : undefined;
  }
  const name = Object.prototype.toString.call(value).slice(8, -1);
  const remedy = OPAQUE.get(name);
  if (remedy === undefined) return undefined;
  const toJson = (value as { toJSON?: unknown }).toJSON;
  if (typeof toJson === "function") return undefined;
  return { what: `an instance of ${name}`, remedy };
}
