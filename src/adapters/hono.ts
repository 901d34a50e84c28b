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

import type { LoadContext } from "../cache/options.ts";
import type { KeyCommands } from "../client/commands.ts";
import { checkClient } from "./checks.ts";
import {
  type Answer,
  isCurrent,
  isOf304,
  type Record,
  Records,
} from "./records.ts";
import {
  type Asked,
  type CacheResponsesOptions,
  CONDITIONS,
  isStorable,
  keyOf,
  passes,
  readRules,
  type Rules,
} from "./responses.ts";

export type { CacheResponsesOptions, KeyCommands };

/** What is used of Hono's context. */
export interface HonoContext {
  /** The request. */
  readonly req: {
    /** The request as the runtime has it. */
    raw: Request;
  };
  /** The response so far. */
  res: Response | undefined;
}

/** Middleware in the form that Hono asks for. */
export type HonoMiddleware = (
  context: HonoContext,
  next: () => Promise<void>,
) => Promise<Response | void>;

/**
 * Makes middleware that keeps responses in memcached, and answers from there.
 *
 * - Requests for the same page at the same time are one, in all processes
 *   (`getOrSet`). With `staleFor` one of them makes the page anew once its time
 *   is over, and the others get the old one meanwhile.
 * - Kept are responses to `GET` with status 200, and `HEAD` is answered from
 *   them. Never kept is what has `Set-Cookie`; a `Cache-Control` with `no-store`,
 *   `no-cache` or `private`, or one that allows less than `ttl` seconds, as
 *   `Expires` may, too (with `must-revalidate`: less than `ttl` and `staleFor`);
 *   a `Vary` that goes beyond `vary`; a `Content-Encoding`, unless `vary` has
 *   `Accept-Encoding`; more than `maxBytes`; and event streams.
 * - Requests with `Authorization`, `Cookie`, `Range`, `If-Match`,
 *   `If-Unmodified-Since` or `Cache-Control: no-store` go by, unless the options
 *   say otherwise. How old an answer may be is for the options to say: `max-age`
 *   and `no-cache` of a request change nothing.
 * - What tells clients apart in any other way, such as a header with a token, has
 *   to be in `vary`: a page is given to all who ask with the same address.
 * - Responses have an `ETag`, their own or one of their bytes, and those who have
 *   them are answered by 304 (`If-None-Match`, else `If-Modified-Since`). The
 *   page does not see these two. `Age` says how old a response is.
 * - A page that answers 500 or above when it is made anew does not take the place
 *   of the old one. Nothing else does before its time, no `POST` either.
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
 * @throws {MemcacheIllegalInputError} If an option cannot be used.
 */
export function cacheResponses(
  client: KeyCommands,
  options: CacheResponsesOptions = {},
): HonoMiddleware {
  checkClient(client, "getOrSet");
  const rules = readRules(options);

  return async (context, next) => {
    const request = context.req.raw;
    const asked = askedOf(request);
    if (passes(asked, rules)) return await next();
    const key = keyOf(asked, rules);
    let made: Promise<Uint8Array | undefined> | undefined;
    const make = async (
      _key: string,
      { isRefresh }: LoadContext,
    ): Promise<Uint8Array | undefined> => {
      made = makePage(context, next, rules);
      const bytes = await made;
      const { status = 0 } = context.res ?? {};
      if (!isRefresh || status < 500) return bytes;
      throw new Error(`Cannot make page anew: its handler answered ${status}`);
    };
    let record: Record | undefined;
    try {
      // What answers a HEAD may have no body: it is answered, but not kept.
      const bytes = asked.method === "HEAD"
        ? await client.get<Uint8Array>(key)
        : await client.getOrSet(key, make, rules.calls);
      record = Records.read(bytes);
    } catch {
      // The client's onError is told; the page is made without the cache.
    }
    if (made === undefined) {
      if (record === undefined) return await next();
      return respond(Records.answer(record, asked, Date.now()));
    }
    // Whatever has become of the cache: a page that was begun is this one, and
    // its error is the request's.
    const own = Records.read(await made);
    const { res } = context;
    const response = own === undefined
      ? unkept(res, asked)
      : respond(Records.own(own, asked, res?.headers.get("age")));
    if (response === res) return;
    // Hono would add the headers of the one before.
    context.res = undefined;
    context.res = response;
  };
}

function askedOf({ method, url, headers }: Request): Asked {
  const header = (name: string): string | null => headers.get(name);
  return { method, url: url.split("#")[0], header };
}

/** Has a page made, and makes a record of it if it may be kept. */
async function makePage(
  context: HonoContext,
  next: () => Promise<void>,
  rules: Rules,
): Promise<Uint8Array | undefined> {
  const request = context.req.raw;
  const { url, method, headers, signal } = request;
  if (CONDITIONS.some((name) => headers.has(name))) {
    // Whether the client has it is said here: to keep it, all of it is needed.
    const rest = new Headers(headers);
    for (const name of CONDITIONS) rest.delete(name);
    // Made of its parts: Bun keeps the headers of a request that it is given.
    context.req.raw = new Request(url, { method, headers: rest, signal });
  }
  try {
    await next();
  } finally {
    context.req.raw = request;
  }
  const at = Date.now();
  const { res } = context;
  if (!res?.body || !isStorable(res.status, res.headers, rules)) {
    return undefined;
  }
  const chunks = await readBody(res.clone(), rules.maxBytes);
  if (chunks === undefined) return undefined;
  const kept = new Headers(res.headers);
  if (!kept.has("content-type")) {
    // On Bun the type of a text is no header before it is sent.
    const { type } = await res.clone().blob();
    if (type !== "") kept.set("content-type", type);
  }
  return Records.write(kept, chunks, at);
}

/** The body of a response; `undefined` if it is larger than allowed. */
async function readBody(
  { body }: Response,
  maxBytes: number,
): Promise<Uint8Array[] | undefined> {
  const reader = body?.getReader();
  if (reader === undefined) return undefined;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return chunks;
    length += value.length;
    if (length > maxBytes) {
      // The other branch goes on: this one need not be waited for.
      reader.cancel().catch(() => {});
      return undefined;
    }
    chunks.push(value);
  }
}

function respond({ status, headers, body }: Answer): Response {
  // A copy: the bytes may be those of other requests, too.
  return new Response(body?.slice() ?? null, { status, headers });
}

/** What is answered by a page that is not kept: it has not seen conditions. */
function unkept(
  response: Response | undefined,
  asked: Asked,
): Response | undefined {
  if (
    response?.status !== 200 ||
    !isCurrent({ get: asked.header }, response.headers)
  ) {
    return response;
  }
  const headers = new Headers(response.headers);
  for (const name of [...headers.keys()]) {
    if (!isOf304(name) && name !== "set-cookie") headers.delete(name);
  }
  response.body?.cancel().catch(() => {});
  return new Response(null, { status: 304, headers });
}
