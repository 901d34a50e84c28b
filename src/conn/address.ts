/**
 * Where a server is: what users may write for it, and what is made of that.
 *
 * @module
 */

import { MemcacheIllegalInputError } from "../errors.ts";
import type { TlsOptions } from "../types.ts";
import type { ServerAddress } from "./conn.ts";
import { isAlphanumeric, isControl, isDigit, isIpv6 } from "./host.ts";
import { readTlsOptions } from "./tls.ts";

/**
 * What may be written for a server: a text, a pair, or an object.
 *
 * | text | means |
 * | --- | --- |
 * | `localhost`, `127.0.0.1`, `[::1]`, `::1` | TCP, port 11211 |
 * | `localhost:11212`, `[::1]:11212` | TCP, that port |
 * | `/run/m.sock`, `unix:/run/m.sock`, `unix:///run/m.sock` | unix domain socket |
 * | `memcached://host[:port][/]`, `memcache://…` | TCP; `user:password@` before the host is used to authenticate |
 * | `memcacheds://…`, `memcaches://…` | the same with TLS |
 *
 * User name and password are percent-decoded. An address that
 * {@linkcode parseServer} made may be given in place of an object.
 */
export type ServerSpec =
  | string
  | readonly [host: string, port: number]
  | {
    /** Name or address; IPv6 with or without brackets. */
    readonly host: string;
    /**
     * 1 to 65535.
     *
     * @default {11211}
     */
    readonly port?: number;
    /**
     * Share of keys on weighted rings, above 0.
     *
     * @default {1}
     */
    readonly weight?: number;
    /** TLS for this server, in place of the client's own setting. */
    readonly tls?: boolean | TlsOptions;
  }
  | {
    /** Path of a unix domain socket. */
    readonly path: string;
    /**
     * Share of keys on weighted rings, above 0.
     *
     * @default {1}
     */
    readonly weight?: number;
  };

type Auth = { readonly username: string; readonly password: string };
type Extras = { weight?: unknown; tls?: unknown; auth?: unknown };

const MAX_LENGTH = 300;
const DEFAULT_PORT = 11211;

/** Schemes, and whether they mean TLS. */
const SCHEMES: ReadonlyMap<string, boolean> = new Map([
  ["memcached", false],
  ["memcache", false],
  ["memcacheds", true],
  ["memcaches", true],
]);

/** Whether text is a name with nothing but letters, digits and `+-.`. */
function isScheme(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (!isAlphanumeric(code) && !"+-.".includes(text[i])) return false;
  }
  return text.length > 0;
}

/**
 * The offending text as it may be shown: quoted, cut, and with `***` for
 * everything that may be a password, which is what stands between the first
 * colon after the scheme and the last `@`.
 */
function shown(text: string): string {
  const slashes = text.indexOf("://");
  const start = slashes >= 0 && isScheme(text.slice(0, slashes))
    ? slashes + 3
    : 0;
  const colon = text.indexOf(":", start);
  const at = text.lastIndexOf("@");
  let result = colon >= 0 && colon < at
    ? `${text.slice(0, colon)}:***${text.slice(at)}`
    : text;
  if (result.length > MAX_LENGTH) result = `${result.slice(0, 60)}…`;
  return JSON.stringify(result);
}

function refusal(text: string, why: string): MemcacheIllegalInputError {
  return new MemcacheIllegalInputError(
    `Cannot use server address ${shown(text)}: ${why}`,
    { sent: false },
  );
}

/** Checks a host and takes the brackets off an IPv6 address. */
function readHost(host: string, text: string): string {
  if (host.length === 0) throw refusal(text, "the host is empty");
  if (host.startsWith("[") || host.endsWith("]")) {
    const inner = host.slice(1, -1);
    if (host.startsWith("[") && host.endsWith("]") && isIpv6(inner)) {
      return inner;
    }
    throw refusal(text, "brackets are for IPv6 addresses only");
  }
  if (host.includes(":")) {
    if (isIpv6(host)) return host;
    throw refusal(
      text,
      "more than one colon, and not an IPv6 address; with a port that is [address]:port",
    );
  }
  for (const char of host) {
    const code = char.codePointAt(0) as number;
    // Beyond ASCII everything may be part of a name but blanks, marks that
    // cannot be seen, and halves of surrogate pairs.
    const allowed = code < 0x80
      ? isAlphanumeric(code) || "-._".includes(char)
      : !isControl(code) && char.trim() !== "" &&
        !(code >= 0x2000 && code <= 0x206f) &&
        !(code >= 0xd800 && code <= 0xdfff);
    if (!allowed) {
      throw refusal(
        text,
        `${JSON.stringify(char)} cannot be part of a host name`,
      );
    }
  }
  return host;
}

function readPort(digits: string, text: string): number {
  let port = digits.length > 0 && digits.length <= 5 ? 0 : NaN;
  for (let i = 0; i < digits.length; i++) {
    const code = digits.charCodeAt(i);
    port = isDigit(code) ? port * 10 + code - 0x30 : NaN;
  }
  return checkPort(port, text);
}

function checkPort(port: number, text: string): number {
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw refusal(text, "the port must be a whole number from 1 to 65535");
}

function readWeight(weight: unknown, text: string): number {
  if (weight === undefined) return 1;
  if (typeof weight === "number" && Number.isFinite(weight) && weight > 0) {
    return weight;
  }
  throw refusal(text, "the weight must be a finite number above 0");
}

function readAuth(auth: unknown, text: string): Auth {
  const { username, password } = auth as { [name: string]: unknown };
  if (
    typeof username === "string" && typeof password === "string" &&
    username !== "" && password !== ""
  ) return Object.freeze({ username, password });
  throw refusal(text, "a user name goes with a password");
}

function unix(path: string, weight: unknown, text: string): ServerAddress {
  if (path.length === 0) throw refusal(text, "the path is empty");
  for (let i = 0; i < path.length; i++) {
    if (isControl(path.charCodeAt(i))) {
      throw refusal(text, "control characters are not allowed");
    }
  }
  return Object.freeze({
    transport: "unix",
    path,
    name: path,
    weight: readWeight(weight, text),
  });
}

function tcp(
  host: string,
  port: number,
  extras: Extras,
  text: string,
): ServerAddress {
  const bare = readHost(host, text);
  const { tls, auth } = extras;
  return Object.freeze({
    transport: "tcp",
    host: bare,
    port: checkPort(port, text),
    name: `${bare}:${port}`,
    weight: readWeight(extras.weight, text),
    ...(tls === undefined ? {} : {
      tls: typeof tls === "boolean" ? tls : readTlsOptions(tls as TlsOptions),
    }),
    ...(auth ? { auth: readAuth(auth, text) } : {}),
  });
}

/** Reads `host`, `host:port`, `[address]`, `[address]:port` or an address. */
function readHostPort(
  place: string,
  extras: Extras,
  text: string,
): ServerAddress {
  const colon = place.startsWith("[")
    ? place.indexOf(":", place.indexOf("]") + 1)
    : place.indexOf(":");
  const alone = colon < 0 ||
    (!place.startsWith("[") && place.indexOf(":", colon + 1) >= 0);
  if (alone) return tcp(place, DEFAULT_PORT, extras, text);
  const host = readHost(place.slice(0, colon), text);
  return tcp(host, readPort(place.slice(colon + 1), text), extras, text);
}

function readUrl(rest: string, secure: boolean, text: string): ServerAddress {
  const extras: Extras = secure ? { tls: true } : {};
  const at = rest.lastIndexOf("@");
  for (const char of at < 0 ? "" : "/?#") {
    if (rest.slice(0, at).includes(char)) {
      throw refusal(text, `${char} before the last @ must be percent-encoded`);
    }
  }
  let place = rest.slice(at + 1);
  if (place.endsWith("/")) place = place.slice(0, -1);
  for (const [char, part] of [["/", "path"], ["?", "query"], ["#", "hash"]]) {
    if (place.includes(char)) throw refusal(text, `a ${part} has no meaning`);
  }
  if (at >= 0) {
    const info = rest.slice(0, at);
    const colon = info.indexOf(":");
    const name = colon < 0 ? info : info.slice(0, colon);
    const word = colon < 0 ? "" : info.slice(colon + 1);
    try {
      extras.auth = {
        username: decodeURIComponent(name),
        password: decodeURIComponent(word),
      };
    } catch {
      throw refusal(text, "user name and password must be percent-encoded");
    }
  }
  return readHostPort(place, extras, text);
}

function readText(text: string): ServerAddress {
  if (text.length > MAX_LENGTH) {
    throw refusal(
      text,
      `${text.length} characters, at most ${MAX_LENGTH} are allowed`,
    );
  }
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x20 || isControl(code)) {
      throw refusal(text, "blanks and control characters are not allowed");
    }
  }
  if (text.startsWith("/")) return unix(text, undefined, text);
  if (text.slice(0, 5).toLowerCase() === "unix:") {
    const path = text.slice(5);
    if (!path.startsWith("//")) return unix(path, undefined, text);
    if (path[2] === "/") return unix(path.slice(2), undefined, text);
    throw refusal(text, "after unix:// the path must begin with a slash");
  }
  const slashes = text.indexOf("://");
  if (slashes >= 0) {
    const secure = SCHEMES.get(text.slice(0, slashes).toLowerCase());
    if (secure !== undefined) {
      return readUrl(text.slice(slashes + 3), secure, text);
    }
    throw refusal(
      text,
      `unknown scheme; known are ${[...SCHEMES.keys()].join(", ")} and unix`,
    );
  }
  if (text.includes("@")) {
    throw refusal(text, "a user name needs a scheme: memcached://user:…@host");
  }
  if (text.includes("/")) {
    throw refusal(text, "a path of a unix domain socket needs unix: before it");
  }
  return readHostPort(text, {}, text);
}

/**
 * Reads where a server is.
 *
 * @example
 * ```ts
 * import { parseServer } from "@x/memcache";
 *
 * const address = parseServer("memcached://[::1]:11212/");
 * console.log(address.name); // "::1:11212"
 * ```
 *
 * @param spec What the user wrote; texts have at most 300 characters.
 * @returns The address, frozen. Its `name` is `host:port`, an IPv6 host
 * without brackets, or the path.
 * @throws {MemcacheIllegalInputError} The spec is none of the forms above. The
 * message shows it, but for a password.
 */
export function parseServer(spec: ServerSpec): ServerAddress {
  if (typeof spec === "string") return readText(spec);
  const given: unknown = spec;
  if (Array.isArray(given)) {
    const text = given.map(described).join(",");
    const [host, port] = given as unknown[];
    if (
      given.length === 2 && typeof host === "string" && typeof port === "number"
    ) return tcp(shortened(host), port, {}, `${host}:${port}`);
    throw refusal(text, "a pair must be a host and a port number");
  }
  if (typeof given === "object" && given !== null) {
    const { host, port, path, weight, tls, auth } = given as {
      [name: string]: unknown;
    };
    if (typeof path === "string" && host === undefined) {
      return unix(shortened(path), weight, path);
    }
    if (typeof host === "string" && path === undefined) {
      const text = port === undefined ? host : `${host}:${described(port)}`;
      if (port !== undefined && typeof port !== "number") {
        throw refusal(text, "the port must be a number");
      }
      return tcp(
        shortened(host),
        port ?? DEFAULT_PORT,
        { weight, tls, auth },
        text,
      );
    }
    throw refusal(
      described(host ?? path ?? given),
      "an object must have either a host or a path, as text",
    );
  }
  throw refusal(described(given), "it must be a text, a pair or an object");
}

/** A value of any type as a short text. */
function described(value: unknown): string {
  return typeof value === "object" && value !== null ||
      typeof value === "function"
    ? typeof value
    : String(value);
}

/** Refuses a host or path that no text of the allowed length could hold. */
function shortened(part: string): string {
  if (part.length <= MAX_LENGTH) return part;
  throw refusal(
    part,
    `${part.length} characters, at most ${MAX_LENGTH} are allowed`,
  );
}
