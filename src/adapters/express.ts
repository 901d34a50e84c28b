/**
 * Middleware for [Express](https://expressjs.com), and for all that calls
 * `(request, response, next)` on node:http, that keeps responses in memcached.
 * An entry of its own that does not import it.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { cacheResponses } from "@x/memcache/express";
 * import express from "express";
 *
 * const client = new Client("localhost");
 * const app = express();
 * app.use("/articles", cacheResponses(client, { ttl: 60, staleFor: 30 }));
 * await client.close();
 * ```
 *
 * @module
 */

import type { LoadContext } from "../cache/options.ts";
import type { KeyCommands } from "../client/commands.ts";
import {
  Abandoned,
  Capture,
  type HttpRequest,
  type HttpResponse,
} from "./capture.ts";
import { checkClient } from "./checks.ts";
import { type Answer, type Record, Records } from "./records.ts";
import {
  type Asked,
  type CacheResponsesOptions,
  keyOf,
  passes,
  readRules,
} from "./responses.ts";

export type { CacheResponsesOptions, HttpRequest, HttpResponse, KeyCommands };

/** Middleware in the form that Express asks for. */
export type ExpressMiddleware = (
  request: HttpRequest,
  response: HttpResponse,
  next: (error?: unknown) => void,
) => Promise<void>;

/** How often a request waits for a page that others make. */
const TURNS = 2;

/**
 * Makes middleware that keeps responses in memcached, and answers from there:
 * for Express 4 and 5, Connect, and any other on node:http or what node:http2
 * has in its place.
 *
 * - Requests for the same page at the same time are one, in all processes
 *   (`getOrSet`). With `staleFor` one of them makes the page anew once its time
 *   is over, and the others get the old one meanwhile.
 * - Who makes a page gets it as it is written, at once. The others get it when
 *   it is whole; they do not wait for a client that reads slowly, nor for any
 *   page longer than 40 seconds. One that hangs up before its page has ended
 *   leaves it to another request.
 * - Kept are responses to `GET` with status 200, and `HEAD` is answered from
 *   them. Never kept is what has `Set-Cookie`; a `Cache-Control` with `no-store`,
 *   `no-cache` or `private`, or one that allows less than `ttl` seconds, as
 *   `Expires` may, too (with `must-revalidate`: less than `ttl` and `staleFor`);
 *   a `Vary` that goes beyond `vary`; a `Content-Encoding`, unless `vary` has
 *   `Accept-Encoding`; more than `maxBytes`; trailers; and event streams.
 * - Requests with `Authorization`, `Cookie`, `Range`, `If-Match`,
 *   `If-Unmodified-Since` or `Cache-Control: no-store` go by, unless the options
 *   say otherwise. How old an answer may be is for the options to say: `max-age`
 *   and `no-cache` of a request change nothing.
 * - What tells clients apart in any other way, such as a header with a token, has
 *   to be in `vary`: a page is given to all who ask with the same address.
 * - Responses have an `ETag`, their own or one of their bytes (but for the first
 *   one of a page that is written in pieces), and those who have them are
 *   answered by 304 (`If-None-Match`, else `If-Modified-Since`). The page does
 *   not see these two. `Age` says how old a response is.
 * - A page that answers 500 or above when it is made anew does not take the place
 *   of the old one. Nothing else does before its time, no `POST` either.
 * - Headers that middleware before this one sets are not kept, it sets them for
 *   each request. Let `compression` be before this one: behind it, each
 *   `Accept-Encoding` needs a page of its own (`vary`).
 * - A cache that is down never breaks a page: it is made as without one. A
 *   server that does not answer costs the client's `timeout` for each page.
 *
 * Keys are hashes of the address, with its query, of the host and protocol that
 * were asked for, and of the request headers that count: whatever is asked for,
 * it is a key of 64 digits behind the prefix.
 *
 * @example
 * ```ts
 * import { Client } from "@x/memcache";
 * import { cacheResponses } from "@x/memcache/express";
 * import { MemcachedServer } from "@x/memcache/testing";
 * import express from "express";
 * import type { IncomingMessage, ServerResponse } from "node:http";
 *
 * const memcached = await MemcachedServer.start();
 * const client = new Client(memcached.address);
 * let made = 0;
 * const app = express();
 * app.use(cacheResponses(client, { ttl: 60, vary: ["Accept-Language"] }));
 * app.get("/", (_: IncomingMessage, response: ServerResponse) => {
 *   response.end(`made ${++made} times`);
 * });
 *
 * const server = app.listen(0);
 * const { port } = server.address() as { port: number };
 * const url = `http://localhost:${port}/`;
 * await (await fetch(url)).text();
 * const response = await fetch(url);
 * console.log(await response.text()); // "made 1 times"
 * console.log(response.headers.has("etag")); // true
 * await new Promise((done) => server.close(done));
 * await client.close();
 * await memcached.close();
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
): ExpressMiddleware {
  checkClient(client, "getOrSet");
  const rules = readRules(options);

  return async (request, response, next) => {
    const asked = askedOf(request);
    if (passes(asked, rules) || isAnswered(response)) return next();
    const key = keyOf(asked, rules, seenBy(request));
    let isMade = false;
    let isOver = false;
    let failure: { readonly error: unknown } | undefined;
    const make = (
      _key: string,
      { isRefresh }: LoadContext,
    ): Promise<Uint8Array | undefined> => {
      if (isOver || isAnswered(response)) throw new Abandoned();
      isMade = true;
      const { page } = new Capture(request, response, rules, isRefresh);
      try {
        next();
      } catch (error) {
        failure = { error };
        throw error;
      }
      return page;
    };
    let record: Record | undefined;
    for (let turn = 0; turn < TURNS && !isMade; turn++) {
      try {
        // What answers a HEAD has no body: it is answered, but not kept.
        const bytes = asked.method === "HEAD"
          ? await client.get<Uint8Array>(key)
          : await client.getOrSet(key, make, rules.calls);
        record = Records.read(bytes);
        break;
      } catch (error) {
        // The client's onError is told; the page is made without the cache. But
        // a client that hung up is no reason to make it more than once.
        if (!(error instanceof Abandoned)) break;
      }
    }
    isOver = true;
    if (failure !== undefined) throw failure.error;
    if (isMade || isAnswered(response)) return;
    if (record === undefined) return next();
    respond(response, Records.answer(record, asked, Date.now()));
  };
}

function askedOf(request: HttpRequest): Asked {
  const { method = "GET", headers, socket } = request;
  const isSecure = "encrypted" in socket && socket.encrypted === true;
  const protocol = request.protocol ?? (isSecure ? "https" : "http");
  const host = headers.host ?? headers[":authority"] ?? "";
  const path = request.originalUrl ?? request.url ?? "";
  return {
    method,
    url: `${protocol}://${host}${path}`,
    header: (name) => {
      const value = headers[name];
      return value === undefined ? null : String(value);
    },
  };
}

/** What handlers may take an address from besides its own. */
function seenBy(
  { url = "", baseUrl = "", originalUrl = url, headers }: HttpRequest,
): Array<readonly [name: string, value: string]> {
  const seen: Array<readonly [name: string, value: string]> = [];
  // Express takes the host from here, where it trusts its proxies.
  const host = headers["x-forwarded-host"];
  if (host !== undefined) seen.push(["x-forwarded-host", String(host)]);
  // Middleware before this one may have changed it.
  if (baseUrl + url !== originalUrl) seen.push(["url", url]);
  return seen;
}

/** Whether a response is no more to be made. */
function isAnswered(response: HttpResponse): boolean {
  return response.headersSent || response.writableEnded || response.destroyed;
}

function respond(
  response: HttpResponse,
  { status, headers, body }: Answer,
): void {
  response.statusCode = status;
  for (const [name, value] of headers) response.setHeader(name, value);
  if (body === undefined) response.end();
  else response.end(body);
}
