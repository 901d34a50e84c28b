/**
 * pymemcache's constructor options as ours.
 *
 * @module
 */
import {
  type ClientOptions,
  compressedSerde,
  jsonSerde,
  rawSerde,
  type Serde,
  serdeFrom,
} from "@x/memcache";
import { bytes } from "../_vectors.ts";
import type { Case } from "./_cases.ts";
import { type Tagged, textOf, toKey, toOurs } from "./_python.ts";

const decoder = new TextDecoder();

/** Python's `json.dumps`: JSON with a blank behind each comma and colon. */
function dumps(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(dumps).join(", ")}]`;
  if (value instanceof Uint8Array) {
    throw new TypeError("Object of type bytes is not JSON serializable");
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, item]) =>
    `${JSON.stringify(key)}: ${dumps(item)}`
  );
  return `{${entries.join(", ")}}`;
}

/**
 * The client without a serde: bytes and text as they are, numbers by their
 * digits, all with flags 0; what is read is bytes.
 */
function plainSerde(encoding: string): Serde {
  return serdeFrom<unknown>((key, value) => {
    if (typeof value === "number" || typeof value === "bigint") {
      return [String(value), 0];
    }
    if (typeof value === "string" && encoding === "latin-1") {
      return [bytes(value), 0];
    }
    // It refuses what is neither bytes nor text.
    const { data, flags } = rawSerde.serialize(key, value as string) as {
      data: Uint8Array | string;
      flags: number;
    };
    return [data, flags];
  });
}

/** Serdes that pymemcache's documentation and tests write, written again. */
const SERDES: Readonly<Record<string, Serde>> = {
  "pickle_serde": jsonSerde,
  "PickleSerde(?)": jsonSerde,
  "compressed_serde": compressedSerde({ serde: jsonSerde }),
  "CompressedSerde(min_compress_len=10)": compressedSerde({
    serde: jsonSerde,
    minLength: 10,
  }),
  "JsonSerde (documentation's)": serdeFrom<unknown>(
    (_key, value) => typeof value === "string" ? [value, 1] : [dumps(value), 2],
    (_key, data, flags) => {
      if (flags === 1) return decoder.decode(data);
      if (flags === 2) return JSON.parse(decoder.decode(data));
      throw new Error("Unknown serialization format");
    },
  ),
  "JsonSerde": serdeFrom<unknown>(
    (_key, value) => [dumps(value), 1],
    (_key, data) => JSON.parse(decoder.decode(data)),
  ),
  "custom functions": serdeFrom<unknown>((_key, value) =>
    value instanceof Uint8Array ? [value, 0] : [dumps(value), 1]
  ),
};

/** Whether a case has a serde of its own. */
export function hasSerde({ options }: Case): boolean {
  return options.serde !== undefined;
}

/** Makes our options of a case's. */
export function toOptions({ options }: Case): ClientOptions {
  const { serde, encoding, timeout = 5, servers: _, ...rest } = options;
  const made: Record<string, unknown> = {
    // pymemcache asks for no reply where it is not told otherwise.
    defaultNoreply: true,
    // It waits for ever where it is not told otherwise; a test does not. Twice
    // the recorded time, as other tests may run on the same machine.
    timeout: Number(timeout) * 2000,
    protocol: "classic",
    serde: typeof serde === "string" ? serdeNamed(serde) : plainSerde(
      encoding === undefined ? "ascii" : textOf(encoding as Tagged),
    ),
  };
  for (const [name, given] of Object.entries(rest)) {
    const tagged = given as Tagged;
    const value = toOurs(tagged);
    switch (name) {
      case "key_prefix":
        made.keyPrefix = toKey(tagged);
        break;
      case "ignore_exc":
        made.errorsAsMisses = value;
        break;
      case "allow_unicode_keys":
        made.allowUnicodeKeys = value;
        break;
      case "default_noreply":
        made.defaultNoreply = value;
        break;
      default:
        throw new Error(`Cannot translate the option ${name}`);
    }
  }
  return made;
}

function serdeNamed(name: string): Serde {
  const serde = SERDES[name];
  if (serde === undefined) {
    throw new Error(`Cannot translate the serde ${name}`);
  }
  return serde;
}
