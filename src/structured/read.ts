/**
 * From structured text to a value. `devalue` builds the graph; what it is given
 * is checked before, and what it asks for is made here.
 *
 * @module
 */

import { defaultParseOperations, unflatten } from "devalue";
import { MemcacheSerdeError } from "../errors.ts";
import { FLAG_STRUCTURED } from "../serde/flags.ts";
import { MAX_DIGITS } from "../serde/integer.ts";
import type { ReadText } from "../serde/serde.ts";
import { compressedHint, readUtf8 } from "../serde/utf8.ts";
import { type Frame, readFrame } from "./frame.ts";
import {
  Depth,
  ERRORS,
  MAX_DEPTH,
  MAX_PATTERNS,
  MAX_SPARSE,
  VIEWS,
} from "./kinds.ts";

const ISO_DATE = /^(?:(?:\d{4}|[+-]\d{6})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?$/;
const INTEGER = /^-?\d+$/;
const REGEXP_FLAGS = /^[dgimsuvy]+$/;
/** Four bytes in base64: which block a buffer is. */
const HANDLE = /^[A-Za-z0-9+/]{6}==$/;

function isIndex(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Whether an entry of the text that names a kind is as the writer writes it. */
function isSound(entry: readonly unknown[]): boolean {
  const [kind, first, second] = entry;
  switch (kind) {
    case "Set":
      return true;
    case "Map":
    case "null":
      return entry.length % 2 === 1;
    case "Object":
      return entry.length === 2;
    case "Date":
      return entry.length === 2 && typeof first === "string" &&
        ISO_DATE.test(first);
    case "BigInt":
      // Converting takes more than linear time: the length comes first.
      return entry.length === 2 && typeof first === "string" &&
        first.length <= MAX_DIGITS + 1 && INTEGER.test(first);
    case "RegExp":
      return (entry.length === 2 ||
        (entry.length === 3 && typeof second === "string" &&
          REGEXP_FLAGS.test(second))) &&
        typeof first === "string";
    case "ArrayBuffer":
      return entry.length === 2 && typeof first === "string" &&
        HANDLE.test(first);
    default:
      return typeof kind === "string" && VIEWS.has(kind) &&
        entry.length === 2 && isIndex(first);
  }
}

type ViewKind = Parameters<typeof defaultParseOperations.fromViewInfo>[0];

/** Makes what devalue asks for, for one value. */
class Makings {
  readonly #key: string;
  readonly #bytes: Uint8Array;
  readonly #blocks: readonly number[];
  readonly #buffers: ArrayBuffer[] = [];
  readonly #depth = new Depth();
  #errors: Set<object> | undefined;
  #sparse = 0;
  #patterns = 0;

  constructor(key: string, bytes: Uint8Array, { blocks }: Frame) {
    this.#key = key;
    this.#bytes = bytes;
    this.#blocks = blocks;
  }

  refuse(what: string): never {
    throw new MemcacheSerdeError(`Cannot read value: ${what}`, {
      key: this.#key,
    });
  }

  /** Goes down into an object that was made just now, and returns it. */
  enter<T extends object>(object: T): T {
    if (!this.#depth.enter(object)) {
      this.refuse(`its objects are nested more than ${MAX_DEPTH} deep`);
    }
    return object;
  }

  back(object: object): void {
    this.#depth.back(object);
  }

  /** Makes an array of a claimed length, for which no memory is taken. */
  createSparseArray(length: number): unknown[] {
    this.#sparse += length;
    if (this.#sparse > MAX_SPARSE) {
      this.refuse(
        `its arrays with holes claim more than ${MAX_SPARSE} elements`,
      );
    }
    return this.enter(defaultParseOperations.createSparseArray(length));
  }

  createError(): object {
    const error = new Error();
    (this.#errors ??= new Set()).add(error);
    return this.enter(error);
  }

  set(target: object, name: string | number, value: unknown): void {
    this.back(target);
    if (this.#errors?.has(target)) {
      this.#setOfError(target as Error, name, value);
    } else if (typeof name === "string" && name in target) {
      // Assigning to what a prototype has, such as `constructor`, may fail or
      // do something else.
      Object.defineProperty(target, name, {
        value,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    } else {
      (target as Record<string | number, unknown>)[name] = value;
    }
  }

  #setOfError(error: Error, name: string | number, value: unknown): void {
    const isText = name === "message" && typeof value === "string";
    if (name === "cause" || isText) {
      Object.defineProperty(error, name, {
        value,
        writable: true,
        enumerable: false,
        configurable: true,
      });
    } else {
      const Class = name === "name" ? ERRORS.get(value as string) : undefined;
      if (Class === undefined) this.refuse("it has an unknown kind of error");
      Object.setPrototypeOf(error, Class.prototype);
    }
    // Where it was read says nothing of where it was made.
    if (name !== "cause") error.stack = Error.prototype.toString.call(error);
  }

  fromRegExpInfo(source: string, flags: string | undefined): RegExp {
    this.#patterns += source.length;
    if (this.#patterns > MAX_PATTERNS) {
      this.refuse(`its patterns have more than ${MAX_PATTERNS} characters`);
    }
    return new RegExp(source, flags);
  }

  fromViewInfo(kind: ViewKind, buffer: ArrayBuffer): ArrayBufferView {
    if (!(kind in globalThis)) this.refuse(`this runtime has no ${kind}`);
    return defaultParseOperations.fromViewInfo(
      kind,
      buffer,
      undefined,
      undefined,
    );
  }

  /** The bytes of a block, copied once, however often it is named. */
  fromArrayBuffer(handle: ArrayBuffer): ArrayBuffer {
    const index = new DataView(handle).getUint32(0);
    const [start, end] = this.#blocks.slice(index, index + 2);
    if (end === undefined) this.refuse("it names bytes that are not there");
    return this.#buffers[index] ??=
      new Uint8Array(this.#bytes.subarray(start, end)).buffer;
  }
}

/**
 * Reads `bytes[start..end)`, of which nothing is kept.
 *
 * @throws {MemcacheSerdeError} If it was not written by {@linkcode
 * writeStructured}, as far as that can be seen.
 */
export function readStructured(
  key: string,
  bytes: Uint8Array,
  start: number,
  end: number,
  flags: number,
  text?: ReadText,
): unknown {
  const unreadable = (): MemcacheSerdeError =>
    new MemcacheSerdeError(
      `Cannot read value: its ${end - start} bytes are flagged as structured ` +
        `(${FLAG_STRUCTURED}), but cannot be read as such${
          compressedHint(flags)
        }`,
      { key },
    );
  const frame = readFrame(bytes, start, end);
  if (frame === undefined) throw unreadable();
  const json = readUtf8(key, bytes, frame.start, frame.end, flags, text);
  try {
    const entries: unknown = JSON.parse(json);
    if (Array.isArray(entries)) {
      for (const entry of entries) {
        if (
          Array.isArray(entry) && typeof entry[0] === "string" &&
          !isSound(entry)
        ) throw unreadable();
      }
    }
    const makings = new Makings(key, bytes, frame);
    // What is neither an array nor a number it refuses itself.
    return unflatten(entries as unknown[], undefined, {
      operations: {
        fromArrayBuffer: (handle) => makings.fromArrayBuffer(handle),
        fromRegExpInfo: (source, flags) =>
          makings.fromRegExpInfo(source, flags),
        fromViewInfo: (kind, buffer) => makings.fromViewInfo(kind, buffer),
        createArray: (length) => makings.enter(new Array(length)),
        createSparseArray: (length) => makings.createSparseArray(length),
        createObject: () => makings.enter({}),
        createNullPrototypeObject: () => makings.createError(),
        createSet: () => makings.enter(new Set()),
        createMap: () => makings.enter(new Map()),
        set: (target, name, value) => makings.set(target, name, value),
        addValue: (set, value) => {
          makings.back(set);
          set.add(value);
        },
        addEntry: (map, name, value) => {
          makings.back(map);
          map.set(name, value);
        },
      },
    });
  } catch (cause) {
    if (cause instanceof MemcacheSerdeError) throw cause;
    // The errors of engines and of devalue quote the value: no cause.
    throw unreadable();
  }
}
