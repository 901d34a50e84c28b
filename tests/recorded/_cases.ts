/**
 * What was recorded, in one form: cases of calls, each with the bytes that
 * were sent, the reply, and the outcome.
 *
 * @module
 */
import { readVectors } from "../_vectors.ts";
import { notation, type Tagged, textOf, toOurs } from "./_python.ts";

/** One call. */
export interface Step {
  /** pymemcache's name, or `constructor`. */
  readonly method: string;
  /** By position. */
  readonly args: readonly Tagged[];
  /** By name. */
  readonly kwargs: Readonly<Record<string, Tagged>>;
  /** What the server answers, one character for each byte. */
  readonly reply: string;
  /** The lengths of the pieces that pymemcache's own test cut the reply into. */
  readonly pieces: readonly number[];
  /** Whether the server then closes the connection. */
  readonly eof: boolean;
  /** What the client sends. */
  readonly sent: string;
  /** What the call returns, or `!` and the class of the error. */
  readonly outcome: string;
  /** What the call returns, with its types. */
  readonly returns: Tagged | undefined;
  /** Whether the connection is kept; `undefined` where it was not recorded. */
  readonly open: boolean | undefined;
  /** How many connections are opened; `undefined` where it was not recorded. */
  readonly connects: number | undefined;
}

/** Calls of one client. */
export interface Case {
  /** The file that it is from, without `.json`. */
  readonly file: string;
  /** Its name there. */
  readonly id: string;
  /** pymemcache's class, or what else was asked. */
  readonly client: string;
  /** The constructor's options, by pymemcache's names. */
  readonly options: Readonly<Record<string, Tagged | string>>;
  /** The calls, the constructor first. */
  readonly steps: readonly Step[];
}

interface RawOutcome {
  readonly returns?: Tagged;
  readonly raises?: string;
}
interface RawStep extends RawOutcome {
  readonly method: string;
  readonly args?: readonly Tagged[];
  readonly kwargs?: Readonly<Record<string, Tagged>>;
  readonly reply?: string;
  readonly recv?: ReadonlyArray<string | { readonly exception: string }>;
  readonly eof?: boolean;
  readonly sent: string;
  readonly open?: boolean;
  readonly connects?: number;
}
interface RawCase {
  readonly id: string;
  readonly client: string;
  readonly options?: Readonly<Record<string, Tagged | string>>;
  readonly constructor?: RawOutcome;
  readonly steps?: readonly RawStep[];
}

/** Python's errors that have a counterpart of ours. */
const COUNTERPARTS: Readonly<Record<string, string>> = {
  TimeoutError: "MemcacheTimeoutError",
};

function outcomeOf({ returns, raises }: RawOutcome, method = ""): string {
  if (raises === undefined) {
    return notation(returns === undefined ? undefined : toOurs(returns));
  }
  // `client[key]` is StrictClient's get.
  if (method === "__getitem__" && raises === "KeyError") {
    return "!MemcacheNoValueError";
  }
  return `!${COUNTERPARTS[raises] ?? raises}`;
}

/** A call about which nothing but this is known. */
export function step(known: Partial<Step>): Step {
  return {
    method: "constructor",
    args: [],
    kwargs: {},
    reply: "",
    pieces: [],
    eof: false,
    sent: "",
    outcome: "none",
    returns: undefined,
    open: undefined,
    connects: undefined,
    ...known,
  };
}

/** The files of calls that were recorded over a connection. */
export const WIRE_FILES = [
  "wire_store",
  "wire_fetch",
  "wire_misc",
  "wire_options",
  "wire_suite_unit",
  "wire_suite_integration",
] as const;

/** Reads one of the {@linkcode WIRE_FILES}. */
export function wireCases(file: string): Case[] {
  const { cases } = readVectors<{ cases: readonly RawCase[] }>(`${file}.json`);
  return cases.map(withSerde).map((raw) => ({
    file,
    id: raw.id,
    client: raw.client,
    options: raw.options ?? {},
    steps: [
      step(
        Object.hasOwn(raw, "constructor")
          ? { outcome: outcomeOf(raw.constructor ?? {}) }
          : {},
      ),
      ...wireSteps(raw.steps ?? []),
    ],
  }));
}

/**
 * What was not recorded of these tests: other clients than Client keep their
 * serde to themselves.
 */
function withSerde(raw: RawCase): RawCase {
  const isPickled = raw.client !== "Client" &&
    raw.id.includes("test_serde_serialization");
  return isPickled
    ? { ...raw, options: { serde: "pickle_serde", ...raw.options } }
    : raw;
}

function wireSteps(steps: readonly RawStep[]): Step[] {
  let sent = "";
  return steps.map((raw) => {
    sent += raw.sent;
    const pieces = raw.recv?.filter((piece) => typeof piece === "string");
    return step({
      method: raw.method,
      args: raw.args ?? [],
      kwargs: raw.kwargs ?? {},
      reply: raw.reply ?? pieces?.join("") ?? "",
      pieces: pieces?.map((piece) => piece.length) ?? [],
      // An exception of the mock's socket: the connection cannot be read.
      eof: raw.eof ??
        raw.recv?.some((piece) => typeof piece !== "string") ?? false,
      sent: raw.sent,
      outcome: outcomeOf(raw, raw.method),
      returns: raw.returns,
      // pymemcache's own tests may hand over a socket that is open already.
      open: raw.recv !== undefined && sent === "" ? false : raw.open,
      connects: raw.recv === undefined ? raw.connects ?? 0 : undefined,
    });
  });
}

/** Reads stats.json: what `stats()` makes of replies. */
export function statsCases(): Case[] {
  const { cases } = readVectors<{
    cases: ReadonlyArray<{
      server: string;
      args: readonly string[];
      reply: string;
      pymemcache: RawOutcome & { sent: string };
    }>;
  }>("stats.json");
  return cases.map(({ server, args, reply, pymemcache }, index) => ({
    file: "stats",
    id: `stats ${args.join(" ")} #${index}, ${server}`,
    client: "Client",
    options: {},
    steps: [
      step({}),
      step({
        method: "stats",
        args: args.map((v) => ({ t: "str", v })),
        reply,
        // The recording ended a reply that pymemcache waited on.
        eof: pymemcache.raises === "MemcacheUnexpectedCloseError",
        sent: pymemcache.sent,
        outcome: outcomeOf(pymemcache),
        returns: pymemcache.returns,
      }),
    ],
  }));
}

interface RawKeyCalls {
  readonly get?: RawOutcome & { sent?: string };
  readonly set?: RawOutcome & { sent?: string };
  readonly constructor?: RawOutcome;
}
type RawKey =
  & { readonly key: Tagged }
  & Readonly<
    Record<string, RawKeyCalls | "as default">
  >;
interface RawPrefix extends RawKeyCalls {
  readonly key: Tagged;
  readonly options: {
    readonly key_prefix: Tagged;
    readonly allow_unicode_keys: Tagged | "either";
  };
}

const UNICODE: Tagged = { t: "bool", v: true };
const PREFIX: Tagged = { t: "bytes", v: "pfx:" };
const KEY_OPTIONS: Readonly<Record<string, Record<string, Tagged>>> = {
  "pymemcache default": {},
  "pymemcache allow_unicode_keys": { allow_unicode_keys: UNICODE },
  "pymemcache key_prefix": { key_prefix: PREFIX },
  "pymemcache allow_unicode_keys+key_prefix": {
    allow_unicode_keys: UNICODE,
    key_prefix: PREFIX,
  },
};

function keySteps(key: Tagged, calls: RawKeyCalls): Step[] {
  if (Object.hasOwn(calls, "constructor")) {
    return [step({ outcome: outcomeOf(calls.constructor ?? {}) })];
  }
  const { get = {}, set = {} } = calls;
  return [
    step({}),
    step({
      method: "get",
      args: [key],
      reply: "END\r\n",
      sent: get.sent ?? "",
      outcome: outcomeOf(get),
    }),
    step({
      method: "set",
      args: [key, { t: "bytes", v: "v" }],
      sent: set.sent ?? "",
      outcome: set.raises === undefined ? "true" : outcomeOf(set),
    }),
  ];
}

/** Reads key_validity.json: keys and prefixes under several options. */
export function keyCases(): Case[] {
  const { cases, prefixes } = readVectors<
    { cases: readonly RawKey[]; prefixes: readonly RawPrefix[] }
  >("key_validity.json");
  const name = (key: Tagged) => `${key.t} ${JSON.stringify(textOf(key))}`;
  const keys = cases.flatMap((raw) =>
    Object.entries(KEY_OPTIONS).map(([set, options]) => {
      const calls = raw[set] === "as default"
        ? raw["pymemcache default"]
        : raw[set];
      return {
        file: "key_validity",
        id: `${name(raw.key)}, ${set}`,
        client: "Client",
        options,
        // The first set of options is never "as default".
        steps: keySteps(raw.key, calls as RawKeyCalls),
      };
    })
  );
  const prefixed = prefixes.flatMap((raw) => {
    const { key_prefix, allow_unicode_keys: unicode } = raw.options;
    const flags = unicode === "either" ? [UNICODE, { t: "bool", v: false }] : [
      unicode,
    ];
    return flags.map((allow_unicode_keys) => ({
      file: "key_validity",
      id: `${name(raw.key)}, prefix ${name(key_prefix)}, ` +
        `allow_unicode_keys ${allow_unicode_keys.v}`,
      client: "Client",
      options: { key_prefix, allow_unicode_keys },
      steps: keySteps(raw.key, raw),
    }));
  });
  return [...keys, ...prefixed];
}

/** What memcached answered to requests with one key, `mn` behind each. */
export type ServerKey =
  & { readonly key: string }
  & Readonly<
    Record<
      "get" | "set" | "mg" | "ms",
      { readonly request: string; readonly reply: string }
    >
  >;

/** The replies that show memcached to have read the key as one key. */
export const ONE_KEY = {
  get: "END\r\nMN\r\n",
  set: "STORED\r\nMN\r\n",
  mg: "EN\r\nMN\r\n",
  ms: "HD\r\nMN\r\n",
} as const;

/** Reads key_server.json. */
export function serverKeys(): readonly ServerKey[] {
  return readVectors<{ cases: readonly ServerKey[] }>("key_server.json").cases;
}

/**
 * The keys of key_server.json as calls: a key that memcached reads as one is
 * expected to be sent, any other to be refused.
 */
export function keyServerCases(): Case[] {
  return serverKeys().map((raw) => {
    const call = (method: "get" | "set", outcome: string) => {
      const good = raw[method].reply === ONE_KEY[method];
      const value: Tagged[] = method === "get" ? [] : [{ t: "bytes", v: "v" }];
      return step({
        method,
        args: [{ t: "bytes", v: raw.key }, ...value],
        reply: raw[method].reply.replace(/MN\r\n$/, ""),
        sent: good ? raw[method].request.replace(/mn\r\n$/, "") : "",
        outcome: good ? outcome : "!MemcacheIllegalInputError",
      });
    };
    return {
      file: "key_server",
      id: JSON.stringify(raw.key),
      client: "memcached",
      options: {
        allow_unicode_keys: UNICODE,
        default_noreply: { t: "bool", v: false },
      },
      steps: [step({}), call("get", "none"), call("set", "true")],
    };
  });
}

/** Reads addresses.json: the name that pymemcache gives a server. */
export function addressCases(): Case[] {
  const { cases } = readVectors<{
    cases: ReadonlyArray<
      { in: Tagged; "pymemcache HashClient node": RawOutcome & { ok?: Tagged } }
    >;
  }>("addresses.json");
  return cases.map(({ in: given, "pymemcache HashClient node": node }) => ({
    file: "addresses",
    id: `${given.t} ${JSON.stringify(toOurs(given))}`,
    client: "parseServer",
    options: {},
    steps: [
      step({
        method: "parse_server",
        args: [given],
        // pymemcache has no error of its own for an address.
        outcome: node.raises === "ValueError"
          ? "!MemcacheIllegalInputError"
          : outcomeOf({ returns: node.ok, raises: node.raises }),
      }),
    ],
  }));
}

/** Everything that was recorded. */
export function allCases(): Case[] {
  return [
    ...WIRE_FILES.flatMap(wireCases),
    ...statsCases(),
    ...keyCases(),
    ...keyServerCases(),
    ...addressCases(),
  ];
}
