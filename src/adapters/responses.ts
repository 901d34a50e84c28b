/**
 * Which responses are kept, for which requests, under which keys.
 *
 * @module
 */

import type { GetOrSetOptions } from "../cache/options.ts";
import { sha256Keys } from "../client/key_encoders.ts";
import { checkFlag, checkNumber, refuse } from "./checks.ts";

/** Options of {@linkcode cacheResponses}. */
export interface CacheResponsesOptions {
  /**
   * Seconds that a response is kept, at least 1.
   *
   * @default {60}
   */
  ttl?: number;
  /**
   * Seconds after the `ttl` in which the old response is given to all but one
   * request, which makes the new one. Needs a server with meta commands.
   *
   * @default {0}
   */
  staleFor?: number;
  /**
   * Seconds for which it is kept that a response may not be, at least 1, so that
   * requests for it do not wait for one another.
   *
   * @default {5}
   */
  passFor?: number;
  /**
   * Names of request headers that responses depend on: each combination has a
   * response of its own. A response whose `Vary` names others is not kept.
   *
   * @default {[]}
   */
  vary?: readonly string[];
  /**
   * Whether requests with `Authorization` are served, too: each value of it has
   * responses of its own.
   *
   * @default {false}
   */
  authorized?: boolean;
  /**
   * Whether requests with `Cookie` are served as those without. Only for pages
   * that do not look at cookies.
   *
   * @default {false}
   */
  ignoreCookies?: boolean;
  /**
   * Bytes of the largest body that is kept.
   *
   * @default {524_288}
   */
  maxBytes?: number;
  /**
   * What is put before keys, which are the SHA-256 of what responses depend on:
   * up to 186 visible characters of ASCII. Programs that are asked by the same
   * addresses, such as those behind a proxy that cuts paths, need different ones.
   *
   * @default {"http:"}
   */
  prefix?: string;
}

/** The options, checked. */
export interface Rules {
  /** Seconds that a response is kept. */
  readonly ttl: number;
  /** Seconds for which an old one is given. */
  readonly staleFor: number;
  /** Bytes of the largest body. */
  readonly maxBytes: number;
  /** Names of the request headers that are part of the key, in lower case. */
  readonly vary: ReadonlySet<string>;
  /** Whether requests with Authorization are served. */
  readonly authorized: boolean;
  /** Whether requests with Cookie are served as those without. */
  readonly ignoreCookies: boolean;
  /** What is put before keys. */
  readonly prefix: string;
  /** Options of `getOrSet`. */
  readonly calls: GetOrSetOptions;
}

/** What is used of a request. */
export interface Asked {
  /** Its method. */
  readonly method: string;
  /** The address with its query. */
  readonly url: string;
  /** Reads a header, by its name in lower case. */
  header(name: string): string | null;
}

/** A name of a header (RFC 9110, "Tokens"); `*` alone means something else. */
const NAME = /^(?!\*$)[\w!#$%&'*+.^`|~-]+$/;
const PREFIX = /^[\x21-\x7e]{0,186}$/;

/** The headers of a request that ask whether a response is still the same. */
export const CONDITIONS: readonly string[] = [
  "if-none-match",
  "if-modified-since",
];

/**
 * Reads the options.
 *
 * @throws {MemcacheIllegalInputError} If one cannot be used.
 */
export function readRules(options: CacheResponsesOptions): Rules {
  const { ttl = 60, staleFor = 0, passFor = 5, maxBytes = 524_288 } = options;
  checkNumber("ttl", ttl, 1);
  checkNumber("staleFor", staleFor, 0);
  checkNumber("passFor", passFor, 1);
  checkNumber("maxBytes", maxBytes, 0);
  const { authorized = false, ignoreCookies = false } = options;
  checkFlag("authorized", authorized);
  checkFlag("ignoreCookies", ignoreCookies);
  const { prefix = "http:", vary = [] } = options;
  if (typeof prefix !== "string" || !PREFIX.test(prefix)) {
    refuse("prefix", prefix, "up to 186 visible characters of ASCII");
  }
  if (!Array.isArray(vary)) refuse("vary", vary, "a list of names of headers");
  const names = new Set<string>();
  for (const name of vary) {
    if (typeof name !== "string" || !NAME.test(name)) {
      refuse("vary", name, "a list of names of headers");
    }
    names.add(name.toLowerCase());
  }
  if (authorized) names.add("authorization");
  return {
    ...{ ttl, staleFor, maxBytes, authorized, ignoreCookies, prefix },
    vary: names,
    calls: { ttl, staleFor, refresh: "wait", negativeTtl: passFor },
  };
}

/** Whether a request is none for the cache. */
export function passes({ method, header }: Asked, rules: Rules): boolean {
  const { authorized, ignoreCookies, vary } = rules;
  const has = (name: string): boolean => header(name) !== null;
  return (method !== "GET" && method !== "HEAD") || has("range") ||
    // What only the origin may judge (RFC 9111, 4.3.2).
    has("if-match") || has("if-unmodified-since") ||
    (!authorized && has("authorization")) ||
    (!ignoreCookies && has("cookie") && !vary.has("cookie")) ||
    /\bno-store\b/i.test(header("cache-control") ?? "");
}

/** The key of a response: a hash of what it depends on. */
export function keyOf(
  { url, header }: Asked,
  { prefix, vary }: Rules,
  more: readonly (readonly [name: string, value: string])[] = [],
): string {
  const names = [...vary].map((name) => [name, header(name)]);
  return prefix + sha256Keys(JSON.stringify([url, ...names, ...more]));
}

/** Whether a response may be kept, as far as its head tells. */
export function isStorable(
  status: number,
  headers: Headers,
  { ttl, staleFor, maxBytes, vary }: Rules,
): boolean {
  if (status !== 200) return false;
  // A cookie is for one client, and a record has no place for trailers.
  if (headers.has("set-cookie") || headers.has("trailer")) return false;
  if (Number(headers.get("content-length") ?? 0) > maxBytes) return false;
  if (/^text\/event-stream\b/i.test(headers.get("content-type") ?? "")) {
    return false;
  }
  // Not all that encode by what a client can read say so by a Vary.
  const encoding = headers.get("content-encoding") ?? "identity";
  if (!/^identity$/i.test(encoding) && !vary.has("accept-encoding")) {
    return false;
  }
  const names = (headers.get("vary") ?? "").split(",")
    .map((name) => name.trim().toLowerCase()).filter((name) => name !== "");
  return names.every((name) => vary.has(name)) &&
    allows(headers, ttl, staleFor);
}

/** Whether others may keep a response for some seconds (RFC 9111, 4.2.1). */
function allows(headers: Headers, ttl: number, staleFor: number): boolean {
  const control = headers.get("cache-control") ?? "";
  if (/\b(?:no-store|no-cache|private)\b/i.test(control)) return false;
  const isStrict = /\b(?:must|proxy)-revalidate\b/i.test(control);
  const [, shared] = /\bs-maxage\s*=\s*"?(\d+)/i.exec(control) ?? [];
  const [, own] = /(?<![\w-])max-age\s*=\s*"?(\d+)/i.exec(control) ?? [];
  const limit = shared ?? own ?? secondsLeft(headers);
  // One that must not be given when it is old has to be fresh for all the time.
  if (limit === undefined) return !isStrict || staleFor === 0;
  const needed = isStrict ? ttl + staleFor : ttl;
  return Number(limit) - ageOf(headers) >= needed;
}

/** How long a response lasts by `Expires`; what is no date is in the past. */
function secondsLeft(headers: Headers): number | undefined {
  const expires = headers.get("expires");
  if (expires === null) return undefined;
  const from = Date.parse(headers.get("date") ?? "") || Date.now();
  return (Date.parse(expires) - from) / 1000 || 0;
}

/** The seconds that a response has been under way, from elsewhere. */
export function ageOf(headers: Headers): number {
  const age = headers.get("age") ?? "";
  return /^\d{1,9}$/.test(age) ? Number(age) : 0;
}
