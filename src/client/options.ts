/**
 * The options of a client: read, checked and copied once, by its constructor.
 *
 * @module
 */

import { parseServer, type ServerSpec } from "../conn/address.ts";
import type { Dial, KeepAliveOptions, ServerAddress } from "../conn/conn.ts";
import { dial as dialByRuntime } from "../conn/dial.ts";
import { readTlsOptions } from "../conn/tls.ts";
import type { ConnectionOptions } from "../connection/options.ts";
import type { Request } from "../connection/request.ts";
import { type MemcacheError, MemcacheIllegalInputError } from "../errors.ts";
import { viewSerde } from "../serde/guard.ts";
import { jsonSerde } from "../serde/json.ts";
import type { Serde } from "../serde/serde.ts";
import type { TlsOptions } from "../types.ts";
import { keyFault } from "../wire/key.ts";
import { describe } from "../wire/numbers.ts";
import { type Context, observe } from "./context.ts";
import { FetchCommand } from "./requests/fetch.ts";
import { JoinedCommand } from "./requests/line.ts";
import { SerdeWaits } from "./serde_waits.ts";

/** Longest delay of a timer, in milliseconds. */
const MAX_TIMEOUT = 2_147_483_647;

/** Longest user name and password together that memcached reads. */
const MAX_AUTH_BYTES = 16_384;

/** Options of a {@linkcode Client}. Every one may be left out. */
export interface ClientOptions {
  /**
   * Between values and bytes.
   *
   * @default {jsonSerde}
   */
  serde?: Serde;
  /**
   * Milliseconds for a connect, 0 for none, to 2^31 - 1.
   *
   * @default {1000}
   */
  connectTimeout?: number;
  /**
   * Milliseconds for a command, from the call to the end of its reply, 0 for
   * none, to 2^31 - 1.
   *
   * @default {1000}
   */
  timeout?: number;
  /**
   * TCP_NODELAY: small packets leave at once.
   *
   * @default {true}
   */
  noDelay?: boolean;
  /**
   * TCP keep-alive: off, on, or with seconds. What a runtime cannot set is
   * written at its adapter: `dialDeno`, `dialNode`, `dialBun`.
   *
   * @default {false}
   */
  keepAlive?: boolean | KeepAliveOptions;
  /**
   * Put before every key, and left out of every result.
   *
   * @default {""}
   */
  keyPrefix?: string;
  /**
   * Allows keys that are not ASCII; they go as UTF-8.
   *
   * @default {false}
   */
  allowUnicodeKeys?: boolean;
  /** Makes a legal key of one that is illegal as it stands. */
  keyEncoder?: (key: string) => string;
  /**
   * Sends stores, deletes and touches without asking for a reply; cas, incr
   * and decr excepted.
   *
   * @default {false}
   */
  defaultNoreply?: boolean;
  /**
   * Reads that fail answer as misses; the errors go to `onError`. Illegal
   * input, aborts and a closed client still reject.
   *
   * @default {false}
   */
  errorsAsMisses?: boolean;
  /**
   * TLS, with the system's authorities or as given.
   *
   * @default {false}
   */
  tls?: boolean | TlsOptions;
  /** ASCII authentication (memcached `-Y`). */
  auth?: { username: string; password: string };
  /**
   * `"auto"`: meta where the server answers `mn`, else classic. `"classic"`:
   * never asks, for proxies. `"meta"`: insists. The results are the same.
   *
   * @default {"auto"}
   */
  protocol?: "auto" | "classic" | "meta";
  /**
   * Opens connections in place of the runtime's own way.
   *
   * @default {dial}
   */
  dial?: Dial;
  /**
   * Commands that may wait on one connection, from 1 on; more are refused at
   * once with a {@linkcode MemcacheOverloadError}.
   *
   * @default {131072}
   */
  maxPending?: number;
  /**
   * Largest value to accept from the server, in bytes, from 1 on: a larger one
   * drops the connection.
   *
   * @default {134217728}
   */
  maxValueSize?: number;
  /**
   * Sees every failure, also those that `errorsAsMisses` hides and those of
   * commands without reply. What it throws is ignored.
   */
  onError?: (error: MemcacheError) => void;
}

/** What a client works with. */
export interface ClientSettings {
  /** For its commands. */
  readonly context: Context;
  /** For its connections. */
  readonly connection: ConnectionOptions;
}

/** Refuses an option. */
export function refuse(name: string, value: unknown, wanted: string): never {
  throw new MemcacheIllegalInputError(
    `Cannot use option ${name}: ${describe(value)}, must be ${wanted}`,
    { sent: false },
  );
}

/**
 * Checks an option that is a number.
 *
 * @throws {MemcacheIllegalInputError} If it is none from `min` to `max`.
 */
export function readNumber(
  name: string,
  value: unknown,
  fallback: number,
  min: number,
  max: number,
): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && value >= min && value <= max) return value;
  return refuse(name, value, `a number from ${min} to ${max}`);
}

/**
 * Checks an option that is true or false.
 *
 * @throws {MemcacheIllegalInputError} If it is neither.
 */
export function readBoolean(
  name: string,
  value: unknown,
  fallback: boolean,
): boolean {
  if (value === undefined) return fallback;
  return typeof value === "boolean"
    ? value
    : refuse(name, value, "true or false");
}

function readFunction<F>(name: string, value: F | undefined): F | undefined {
  if (value === undefined || typeof value === "function") return value;
  return refuse(name, value, "a function");
}

/**
 * Checks the timeout of a client or of a command.
 *
 * @param value What the caller gave.
 * @param fallback For `undefined`.
 * @param name The option's name, for the error.
 * @throws {MemcacheIllegalInputError} If it is no number from 0 to 2^31 - 1.
 */
export function readTimeout(
  value: unknown,
  fallback: number,
  name = "timeout",
): number {
  return readNumber(name, value, fallback, 0, MAX_TIMEOUT);
}

function readKeepAlive(
  value: boolean | KeepAliveOptions | undefined,
): boolean | KeepAliveOptions {
  if (value === undefined || typeof value === "boolean") return value ?? false;
  if (typeof value !== "object" || value === null) {
    return refuse("keepAlive", value, "true, false or an object");
  }
  const copy: KeepAliveOptions = {};
  for (const name of ["idle", "interval", "count"] as const) {
    const number = value[name];
    if (number === undefined) continue;
    copy[name] = readNumber(`keepAlive.${name}`, number, 0, 1, 32_767);
  }
  return Object.freeze(copy);
}

function readAuth(
  value: { username: string; password: string } | undefined,
): { readonly username: string; readonly password: string } | undefined {
  if (value === undefined) return undefined;
  const { username, password } = value ?? {};
  // What is wrong is said, what was given is not: it may be a password.
  const fault = typeof username !== "string" || typeof password !== "string"
    ? "username and password must be text"
    : username === "" || /[\s\0]/.test(username)
    ? "the username must not be empty nor have blanks in it"
    : /[\r\n\0]/.test(password)
    ? "the password must not have CR, LF or NUL in it"
    : username.length + password.length >= MAX_AUTH_BYTES
    ? `username and password must have less than ${MAX_AUTH_BYTES} bytes`
    : undefined;
  if (fault !== undefined) {
    throw new MemcacheIllegalInputError(`Cannot use option auth: ${fault}`, {
      sent: false,
    });
  }
  return Object.freeze({ username, password });
}

function readTls(
  option: boolean | TlsOptions | undefined,
  address: ServerAddress,
): TlsOptions | undefined {
  const details = option === undefined || typeof option === "boolean"
    ? {}
    : readTlsOptions(option);
  const wanted = option !== undefined && option !== false;
  if (address.transport === "unix") {
    if (!wanted) return undefined;
    throw new MemcacheIllegalInputError(
      "Cannot use option tls: a unix domain socket has no TLS",
      { sent: false },
    );
  }
  // What is said of the server itself has the last word.
  const { tls = wanted } = address;
  return typeof tls === "boolean" ? tls ? details : undefined : tls;
}

function readPrefix(prefix: unknown, unicode: boolean): string {
  if (prefix === undefined || prefix === "") return "";
  if (typeof prefix !== "string") return refuse("keyPrefix", prefix, "text");
  const fault = keyFault(prefix, unicode);
  if (fault !== undefined) {
    throw new MemcacheIllegalInputError(
      `Cannot use option keyPrefix: ${fault}`,
      { sent: false },
    );
  }
  return prefix;
}

/** Makes one request of gets that wait at the same time. */
function join(requests: Request[]): Request {
  // Only these say that they are joinable.
  return new JoinedCommand(
    requests.map(({ kind }) => kind).filter((kind) =>
      kind instanceof FetchCommand
    ),
  ).request;
}

/**
 * Reads what the commands of a client need to know.
 *
 * @throws {MemcacheIllegalInputError} If an option cannot be used.
 */
export function readContext(options: ClientOptions): Context {
  if (typeof options !== "object" || options === null) {
    return refuse("options", options, "an object");
  }
  const allowUnicodeKeys = readBoolean(
    "allowUnicodeKeys",
    options.allowUnicodeKeys,
    false,
  );
  return Object.freeze({
    serde: viewSerde(options.serde ?? jsonSerde),
    waits: new SerdeWaits(),
    timeout: readTimeout(options.timeout, 1000),
    keyPrefix: readPrefix(options.keyPrefix, allowUnicodeKeys),
    allowUnicodeKeys,
    keyEncoder: readFunction("keyEncoder", options.keyEncoder),
    defaultNoreply: readBoolean(
      "defaultNoreply",
      options.defaultNoreply,
      false,
    ),
    errorsAsMisses: readBoolean(
      "errorsAsMisses",
      options.errorsAsMisses,
      false,
    ),
    onError: readFunction("onError", options.onError),
  });
}

/**
 * Reads what the connections to one server need to know.
 *
 * @throws {MemcacheIllegalInputError} If an option cannot be used.
 */
export function readConnection(
  address: ServerAddress,
  options: ClientOptions,
  context: Context,
): ConnectionOptions {
  const protocol = options.protocol ?? "auto";
  if (protocol !== "auto" && protocol !== "classic" && protocol !== "meta") {
    return refuse("protocol", protocol, '"auto", "classic" or "meta"');
  }
  return Object.freeze({
    address,
    dial: readFunction("dial", options.dial) ?? dialByRuntime,
    connectTimeout: readTimeout(
      options.connectTimeout,
      1000,
      "connectTimeout",
    ),
    timeout: context.timeout,
    noDelay: readBoolean("noDelay", options.noDelay, true),
    keepAlive: readKeepAlive(options.keepAlive),
    tls: readTls(options.tls, address),
    auth: readAuth(
      options.auth ?? (address.transport === "tcp" ? address.auth : undefined),
    ),
    protocol,
    maxPending: readNumber(
      "maxPending",
      options.maxPending,
      131_072,
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    maxValueSize: readNumber(
      "maxValueSize",
      options.maxValueSize,
      128 * 1024 * 1024,
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    report: (error: MemcacheError) => observe(context, error),
    join,
  });
}

/**
 * Reads a server's spec and the options of its client.
 *
 * @throws {MemcacheIllegalInputError} If one of them cannot be used.
 */
export function readOptions(
  server: ServerSpec,
  options: ClientOptions,
): ClientSettings {
  const context = readContext(options);
  const connection = readConnection(parseServer(server), options, context);
  return { context, connection };
}
