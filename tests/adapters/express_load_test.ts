/**
 * The middleware of Express under a mixed load: pages written in many ways, some
 * that fail, clients that hang up. Whatever happens, nobody gets a part of a page
 * or another one's, and nobody waits for good.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import process from "node:process";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";
import compression from "compression";
import { random } from "../connection/_random.ts";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import {
  type App,
  EXPRESSES,
  type Handler,
  type Request,
  withApp,
} from "./_web.ts";

const SEED = 20_261_121;
const REQUESTS = 600;
const AT_ONCE = 20;
const PAGES = 20;
const [[, express]] = EXPRESSES;
const OPTIONS = { ttl: 1, staleFor: 5, passFor: 1, maxBytes: 30_000 };

/** Which pages are not kept, for their size or for what they say. */
const isLarge = (n: number): boolean => n % 7 === 6;
const isPrivate = (n: number): boolean => n % 5 === 4;

/** Lets others go on for some turns of the event loop. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise<void>((done) => setImmediate(done));
  }
}

/** A page that tells, at both of its ends, which one it is. */
function write(n: number, id: number): string {
  const size = isLarge(n) ? 40_000 : 100 + n * 997;
  const letter = String.fromCharCode(97 + n);
  return `${n}:${id}:${letter.repeat(size)}:${id}:${n}`;
}

/** Makes pages, in ways that chance decides. */
function pages(next: () => number): Handler {
  let made = 0;
  const number = (request: Request) => Number(request.url.slice(1));
  return async (request, response, fail) => {
    const n = number(request);
    const page = write(n, ++made);
    response.set({ "content-type": "text/plain", "x-page": `${n}` });
    if (isPrivate(n)) response.set({ "cache-control": "private" });
    await turns(Math.floor(next() * 10));
    if (next() < 0.03) return fail(new Error("By chance"));
    if (next() < 0.03) {
      response.write(page.slice(0, 10));
      return response.destroy();
    }
    switch (Math.floor(next() * 5)) {
      case 0:
        return response.send(page);
      case 1:
        response.write(page.slice(0, 50));
        await turns(2);
        response.write(Buffer.from(page.slice(50, 90)));
        return response.end(page.slice(90));
      case 2:
        return Readable.from([page.slice(0, 60), page.slice(60)])
          .pipe(response);
      case 3:
        return response.writeHead(200, { "x-more": "1" }).end(page);
      default:
        response.flushHeaders();
        await turns(1);
        return response.end(Buffer.from(page));
    }
  };
}

test(
  "cacheResponses() gives whole and right pages under a mixed load",
  async () => {
    const next = random(SEED);
    const failures: unknown[] = [];
    const onFailure = (error: unknown): void => void failures.push(error);
    process.on("unhandledRejection", onFailure);
    const etags = new Map<number, string>();
    let left = REQUESTS;
    let hits = 0;
    const ask = async (
      send: Parameters<Parameters<typeof withApp>[3]>[0]["send"],
    ) => {
      const n = Math.floor(next() * PAGES);
      // Both programs are behind one name.
      const headers: Record<string, string> = { host: "example.com" };
      if (next() < 0.3) headers["accept-encoding"] = "gzip";
      const etag = next() < 0.3 ? etags.get(n) : undefined;
      if (etag !== undefined) headers["if-none-match"] = etag;
      const asking = send(`/${n}`, { headers });
      if (next() < 0.1) {
        await turns(Math.floor(next() * 20));
        return asking.abort();
      }
      const answer = await asking.answer.catch(() => undefined);
      if (answer === undefined || answer.status === 500) return;
      const { status, bytes, headers: got } = answer;
      if (status === 304) {
        assertEquals([bytes.length, got.etag], [0, etag]);
        return;
      }
      assertEquals([status, got["x-page"]], [200, `${n}`]);
      const isZipped = got["content-encoding"] === "gzip";
      const text = new TextDecoder().decode(
        isZipped ? gunzipSync(bytes) : bytes,
      );
      assertEquals(text, write(n, Number(text.split(":")[1])));
      if (got.etag !== undefined) etags.set(n, got.etag);
      if (got.age === undefined) return;
      hits++;
      assert(!isLarge(n) && !isPrivate(n), `${n} was kept`);
    };
    const routes = (app: App): void => app.get(/.*/, pages(next));
    const setup = {
      express,
      options: OPTIONS,
      before: (app: App) => app.use(compression({ threshold: 0 })),
    };
    try {
      await withMemcached(
        {},
        (memcached) =>
          withApp(
            memcached,
            setup,
            routes,
            (one) =>
              withApp(memcached, setup, routes, async (other) => {
                const work = async (): Promise<void> => {
                  while (left-- > 0) {
                    await ask((left % 2 ? one : other).send);
                  }
                };
                await Promise.all(Array.from({ length: AT_ONCE }, work));
              }),
          ),
      );
    } finally {
      process.off("unhandledRejection", onFailure);
    }
    assertEquals(failures, []);
    assert(hits > REQUESTS / 10, `${hits} hits`);
  },
  { ...needsMemcached, timeout: 30_000 },
);
