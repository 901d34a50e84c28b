/**
 * Middleware for [Hono](https://hono.dev) that keeps responses in memcached. An
 * entry of its own that does not import it.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { cacheResponses } from "@x/memcache/hono";
 * import { Hono } from "hono";
 *
 * const client = new Client("localhost");
 * const app = new Hono();
 * app.use("/articles/*", cacheResponses(client, { ttl: 60, staleFor: 30 }));
 * await client.close();
 * ```
 *
 * @module
 */

import type { GetOrSetOptions } from "../cache/options.ts";
import type { KeyCommands } from "../client/commands.ts";
import { sha256Keys } from "../client/key_encoders.ts";
import {
  checkNumber,
  isStorable,
  readBody,
  type Record,
  Records,
} from "./responses.ts";

export type { KeyCommands };

/** What is used of Hono's context. */
export interface HonoContext {
  /** The request. */
  readonly req: {
    /** The request as the runtime has it. */
    readonly raw: Request;
  };
  /** The response so far. */
  res: Response | undefined;
}

/** Middleware in the form that Hono asks for. */
export type HonoMiddleware = (
  context: HonoContext,
  next: () => Promise<void>,
) => Promise<Response | void>;

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
   * What is put before keys, which are the SHA-256 of what responses depend on.
   *
   * @default {"http:"}
   */
  prefix?: string;
}

/**
 * Makes middleware that keeps responses in memcached, and answers from there.
 *
 * - Requests for the same page at the same time are one, in all processes
 *   (`getOrSet`). With `staleFor` one of them makes the page anew once its time
 *   is over, and the others get the old one meanwhile.
 * - Kept are responses to `GET` with status 200, and `HEAD` is answered from
 *   them. Never kept is what has `Set-Cookie`, a `Cache-Control` with `no-store`,
 *   `no-cache` or `private`, or one that allows less than `ttl` seconds, a `Vary`
 *   that goes beyond `vary`, more than `maxBytes`, and event streams. Requests
 *   with `Authorization`, `Cookie`, `Range`, or `Cache-Control: no-store` go by,
 *   unless the options say otherwise.
 * - Responses have an `ETag`, their own or one of their bytes; a request with
 *   that `If-None-Match` is answered by 304. `Age` says how old a response is.
 * - The body is read to its end before the answer begins, up to `maxBytes`.
 * - A cache that is down never breaks a page: it is made as without one. A
 *   server that does not answer costs the client's `timeout` for each page.
 *
 * Keys are hashes of the address, with its query, and of the request headers
 * that count: whatever is asked for, it is a key of 64 digits behind the prefix.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { cacheResponses } from "@x/memcache/hono";
 * import { MemcachedServer } from "@x/memcache/testing";
 * import { Hono } from "hono";
 *
 * const server = await MemcachedServer.start();
 * const client = new Client(server.address);
 * let made = 0;
 * const app = new Hono();
 * app.use(cacheResponses(client, { ttl: 60, vary: ["Accept-Language"] }));
 * app.get("/", (c) => c.text(`made ${++made} times`));
 *
 * await app.request("/");
 * const response = await app.request("/");
 * console.log(await response.text()); // "made 1 times"
 * console.log(response.headers.has("etag")); // true
 * await client.close();
 * await server.close();
 * ```
 *
 * @param client Any client, or a namespace of one; it stays the caller's.
 * @param options Lifetimes, what responses depend on, limits.
 * @returns The middleware, for `app.use`.
 * @throws {RangeError} If a number among the options cannot be used.
 */
export function cacheResponses(
  client: KeyCommands,
  options: CacheResponsesOptions = {},
): HonoMiddleware {
  const { ttl = 60, staleFor = 0, passFor = 5, maxBytes = 524_288 } = options;
  // A wrong one would fail in every call, and pages would go on without a cache.
  checkNumber("ttl", ttl, 1);
  checkNumber("staleFor", staleFor, 0);
  checkNumber("passFor", passFor, 1);
  checkNumber("maxBytes", maxBytes, 0);
  const { authorized = false, ignoreCookies = false } = options;
  const prefix = options.prefix ?? "http:";
  const names = [...options.vary ?? []].map((name) => name.toLowerCase());
  if (authorized) names.push("authorization");
  const calls: GetOrSetOptions = {
    ...{ ttl, staleFor, refresh: "wait", negativeTtl: passFor },
  };
  const rules = { ttl, maxBytes, vary: new Set(names) };

  const passes = ({ method, headers }: Request): boolean =>
    (method !== "GET" && method !== "HEAD") || headers.has("range") ||
    (headers.has("authorization") && !authorized) ||
    (headers.has("cookie") && !ignoreCookies && !rules.vary.has("cookie")) ||
    /\bno-store\b/i.test(headers.get("cache-control") ?? "");

  const keyOf = ({ url, headers }: Request): string =>
    prefix + sha256Keys(JSON.stringify([
      url.split("#")[0],
      ...names.map((name) => [name, headers.get(name)]),
    ]));

  return async (context, next) => {
    const request = context.req.raw;
    if (passes(request)) return await next();
    const key = keyOf(request);
    let made: Promise<void> | undefined;
    const make = async (): Promise<Uint8Array | undefined> => {
      made = next();
      await made;
      const { res } = context;
      if (res === undefined || !isStorable(res, rules)) return undefined;
      const body = await readBody(res.clone(), maxBytes);
      return body && await Records.write(res, body, Date.now());
    };
    let record: Record | undefined;
    try {
      // What answers a HEAD may have no body: it is answered, but not kept.
      const bytes = request.method === "HEAD"
        ? await client.get<Uint8Array>(key)
        : await client.getOrSet(key, make, calls);
      record = Records.read(bytes);
    } catch {
      // The client's onError is told; the page is made without the cache.
    }
    // Whatever has become of the cache: a page that was begun is this one, and
    // its error is the request's.
    if (record === undefined) return await (made ?? next());
    const response = Records.respond(record, request, Date.now());
    if (made === undefined) return response;
    // Hono would add the headers of the one before.
    context.res = undefined;
    context.res = response;
  };
}
