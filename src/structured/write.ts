/**
 * From a value to structured text. `devalue` walks the graph and writes it;
 * what it finds in the way, and what each object is, it asks here.
 *
 * @module
 */

import { defaultStringifyOperations, DevalueError, stringify } from "devalue";
import { MemcacheSerdeError } from "../errors.ts";
import { FLAG_STRUCTURED } from "../serde/flags.ts";
import type { Serialized } from "../types.ts";
import { writeFrame } from "./frame.ts";
import { Depth, ERRORS, MAX_DEPTH, MAX_PATTERNS, MAX_SPARSE } from "./kinds.ts";

/** Bigints between these have at most 100,000 digits, which are read back. */
const BIGINT_LIMIT = 1n << 332_192n;
const NEGATIVE_LIMIT = -BIGINT_LIMIT;

/** Classes whose instances are never data, whatever properties they have. */
const OPAQUE: ReadonlySet<string> = new Set([
  ...["Promise", "WeakMap", "WeakSet", "WeakRef", "FinalizationRegistry"],
  ...["Generator", "AsyncGenerator", "Symbol", "SharedArrayBuffer"],
  ...["DOMException", "Blob", "File"],
]);

// The built-in methods look at what an object is, not at what it says it is.
const VIEW_NAME = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined;
const { getTime, toISOString } = Date.prototype;
const { entries } = Map.prototype;
const { values } = Set.prototype;

/** The name that an object gives itself, if it is no built-in. */
function nameOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** The name of the class of an object, for an error message. */
function classOf(value: object): string {
  const prototype = Object.getPrototypeOf(value);
  const { value: constructor } = prototype === null
    ? { value: undefined }
    : Object.getOwnPropertyDescriptor(prototype, "constructor") ?? {};
  return typeof constructor === "function" && constructor.name !== ""
    ? String(constructor.name)
    : nameOf(value);
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function isError(value: object): boolean {
  return value instanceof Error || nameOf(value) === "Error";
}

/** What kind an object is, in devalue's words. */
function tagOf(value: object): string {
  if (Array.isArray(value)) return "Array";
  if (isPlain(value)) return "Object";
  if (ArrayBuffer.isView(value)) return VIEW_NAME.call(value) ?? "DataView";
  if (value instanceof Map) return "Map";
  if (value instanceof Set) return "Set";
  if (value instanceof Date) return "Date";
  if (value instanceof RegExp) return "RegExp";
  if (value instanceof ArrayBuffer) return "ArrayBuffer";
  const name = nameOf(value);
  switch (name) {
    // Of another realm, or in a box.
    case "Map":
    case "Set":
    case "Date":
    case "RegExp":
    case "ArrayBuffer":
    case "Number":
    case "String":
    case "Boolean":
    case "BigInt":
      return name;
    default:
      return "Object";
  }
}

/** What is in the box of a primitive. */
function unbox(box: object): unknown {
  switch (nameOf(box)) {
    case "Number":
      return Number.prototype.valueOf.call(box);
    case "String":
      return String.prototype.valueOf.call(box);
    case "Boolean":
      return Boolean.prototype.valueOf.call(box);
    default:
      return BigInt.prototype.valueOf.call(box);
  }
}

/** The properties of an error that are stored; its stack is not. */
function errorKeys(error: object): string[] {
  const keys = ["name"];
  const message = Object.getOwnPropertyDescriptor(error, "message");
  if (message !== undefined && "value" in message) keys.push("message");
  if (Object.hasOwn(error, "cause")) keys.push("cause");
  return keys;
}

function errorProperty(error: object, name: string | number): unknown {
  const property = (error as Record<string | number, unknown>)[name];
  switch (name) {
    case "name":
      return ERRORS.has(String(property)) ? String(property) : "Error";
    case "message":
      return String(property);
    default:
      return property;
  }
}

/** What devalue asks, for one value. */
class Answers {
  /** The bytes of the buffers, in the order in which they were met. */
  readonly blocks: Uint8Array[] = [];
  readonly #key: string;
  readonly #depth = new Depth();
  #errors: Set<object> | undefined;
  #sparse = 0;
  #patterns = 0;

  constructor(key: string) {
    this.#key = key;
  }

  refuse(what: string, remedy: string): never {
    throw new MemcacheSerdeError(
      `Cannot store value: structuredSerde cannot carry ${what}; ${remedy}`,
      { key: this.#key },
    );
  }

  enter(object: object): void {
    if (this.#depth.enter(object)) return;
    this.refuse(
      `objects nested more than ${MAX_DEPTH} deep`,
      "make the structure flatter, such as an array in place of a list",
    );
  }

  back(object: object): void {
    this.#depth.back(object);
  }

  typeOf(value: unknown): ReturnType<
    typeof defaultStringifyOperations.typeOf
  > {
    const type = typeof value;
    switch (type) {
      case "object":
        return value === null ? "null" : "object";
      case "function":
        return this.refuse("a function", "store data only");
      case "symbol":
        return this.refuse("a symbol", "store its description");
      case "bigint":
        if (
          (value as bigint) >= BIGINT_LIMIT ||
          (value as bigint) <= NEGATIVE_LIMIT
        ) {
          return this.refuse(
            "a bigint of more than 332,192 bits",
            "store bytes",
          );
        }
        return type;
      default:
        return type;
    }
  }

  /** What an object that is no built-in of its own kind is stored as. */
  shapeOf(
    value: object,
  ): { kind: "plain" | "null-proto"; keys: string[] } {
    this.enter(value);
    const keys = Object.keys(value);
    if (isPlain(value)) return { kind: "plain", keys };
    if (isError(value) && !OPAQUE.has(nameOf(value))) {
      // Plain objects without a prototype come back with one, as those of
      // structuredClone do: so their form is free to mean an error.
      (this.#errors ??= new Set()).add(value);
      return { kind: "null-proto", keys: errorKeys(value) };
    }
    const prototype = Object.getPrototypeOf(value);
    const isForeign = Object.getPrototypeOf(prototype) === null;
    if (OPAQUE.has(nameOf(value)) || (keys.length === 0 && !isForeign)) {
      this.refuse(
        `an instance of ${classOf(value)}, all of which is private`,
        "store its data",
      );
    }
    return { kind: "plain", keys };
  }

  get(object: object, name: string | number): unknown {
    this.back(object);
    return this.#errors?.has(object)
      ? errorProperty(object, name)
      : (object as Record<string | number, unknown>)[name];
  }

  indicesOf(array: unknown[]): string[] {
    this.#sparse += array.length;
    if (this.#sparse > MAX_SPARSE) {
      this.refuse(
        `arrays with holes of more than ${MAX_SPARSE} elements`,
        "use a Map",
      );
    }
    return defaultStringifyOperations.indicesOf(array);
  }

  *valuesOf(set: Set<unknown>): Iterable<unknown> {
    for (const value of values.call(set)) {
      this.back(set);
      yield value;
    }
  }

  *entriesOf(
    map: Map<unknown, unknown>,
  ): Iterable<[unknown, unknown]> {
    for (const entry of entries.call(map)) {
      this.back(map);
      yield entry as [unknown, unknown];
    }
  }

  regExpInfo({ source, flags }: RegExp): { source: string; flags: string } {
    this.#patterns += source.length;
    if (this.#patterns > MAX_PATTERNS) {
      this.refuse(
        `RegExps of more than ${MAX_PATTERNS} characters`,
        "store their sources",
      );
    }
    return { source, flags };
  }

  /** A view of a part of a buffer takes that part only: the rest may be foreign. */
  viewInfo(
    view: ArrayBufferView,
  ): ReturnType<typeof defaultStringifyOperations.viewInfo> {
    const { byteOffset, byteLength } = view;
    let { buffer } = view;
    if (nameOf(buffer) !== "ArrayBuffer") {
      this.refuse("a view of a SharedArrayBuffer", "store a copy of it");
    }
    const whole = byteLength === buffer.byteLength;
    if (!whole) buffer = buffer.slice(byteOffset, byteOffset + byteLength);
    return {
      buffer,
      byteOffset: 0,
      byteLength,
      length: (view as ArrayBufferView & { length?: number }).length,
      bufferByteLength: byteLength,
    };
  }

  /** Puts the bytes aside; what goes into the text is which block they are. */
  toArrayBuffer(buffer: ArrayBuffer): ArrayBuffer {
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(buffer);
    } catch {
      this.refuse("an ArrayBuffer that was transferred", "store it before");
    }
    const handle = new DataView(new ArrayBuffer(4));
    handle.setUint32(0, this.blocks.push(bytes) - 1);
    return handle.buffer;
  }
}

/**
 * Writes a value.
 *
 * @throws {MemcacheSerdeError} If it cannot be carried.
 */
export function writeStructured(key: string, value: unknown): Serialized {
  const answers = new Answers(key);
  let text: string;
  try {
    text = stringify(value, undefined, {
      operations: {
        typeOf: (value) => answers.typeOf(value),
        isThenable: () => false,
        tagOf,
        unbox,
        toISOString: (date) =>
          Number.isNaN(getTime.call(date)) ? "" : toISOString.call(date),
        regExpInfo: (regexp) => answers.regExpInfo(regexp),
        valuesOf: (set) => {
          answers.enter(set);
          return answers.valuesOf(set);
        },
        entriesOf: (map) => {
          answers.enter(map);
          return answers.entriesOf(map);
        },
        viewInfo: (view) => answers.viewInfo(view),
        toArrayBuffer: (buffer) => answers.toArrayBuffer(buffer),
        lengthOf: (array) => {
          answers.enter(array);
          return array.length;
        },
        indicesOf: (array) => answers.indicesOf(array),
        shapeOf: (object) => answers.shapeOf(object),
        get: (object, name) => answers.get(object, name),
      },
    });
  } catch (cause) {
    if (cause instanceof MemcacheSerdeError) throw cause;
    // Its errors carry the value, so none becomes the cause.
    if (cause instanceof DevalueError) {
      return answers.refuse("a property named __proto__", "rename it");
    }
    throw new MemcacheSerdeError(
      "Cannot store value: it cannot be read (a getter threw, or it is not " +
        "what it says it is), see the cause",
      { key, cause },
    );
  }
  return writeFrame(text, answers.blocks, FLAG_STRUCTURED);
}
