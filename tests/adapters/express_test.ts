/**
 * The middleware that keeps responses, under real Express 4 and 5, over loopback
 * and a real memcached. The rules of what is kept are those of Hono's, which
 * `hono_test.ts` goes through; here is what Express and node:http have of their
 * own.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import compression from "compression";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import {
  EXPRESSES,
  type Handler,
  type Next,
  type Request,
  type Response,
  Signal,
  withApp,
  withProgram,
} from "./_web.ts";

const [[, express5]] = EXPRESSES;
/** No part of it is like another. */
const TEXT = Array.from({ length: 1000 }, (_, i) => `${1000 + i} `).join("");
const HEADERS = { "content-type": "text/x-own", "x-own": "a" };
const LATIN1 = "\u00e9\u00ff";

/** The ways in which handlers write a page of `TEXT`. */
const WRITERS: Readonly<Record<string, Handler>> = {
  "send()": (_, response) => response.set(HEADERS).send(TEXT),
  "send() of bytes": (_, response) =>
    response.set(HEADERS).send(Buffer.from(TEXT)),
  "end()": (_, response) => response.set(HEADERS).end(TEXT),
  "end(), with an encoding and a callback": (_, response) => {
    const base64 = Buffer.from(TEXT).toString("base64");
    response.set(HEADERS).end(base64, "base64", () => {});
  },
  "write() and end(), in encodings": (_, response) => {
    response.set(HEADERS);
    response.write(TEXT.slice(0, 10), "latin1");
    response.write(Buffer.from(TEXT.slice(10, 20)).toString("hex"), "hex");
    response.write(Buffer.from(TEXT.slice(20, 30)), () => {
      response.end(TEXT.slice(30), () => {});
    });
  },
  "end() with a callback alone": (_, response) => {
    response.set(HEADERS).write(TEXT);
    response.end(() => {});
  },
  "writeHead() with an object": (_, response) => {
    response.writeHead(200, HEADERS).end(TEXT);
  },
  "writeHead() with a message, and an object": (_, response) => {
    response.writeHead(200, "Well", HEADERS);
    response.write(TEXT.slice(0, 1));
    response.end(TEXT.slice(1));
  },
  "writeHead() with a list": (_, response) => {
    response.writeHead(200, Object.entries(HEADERS).flat()).end(TEXT);
  },
  "a pipe": (_, response) => {
    response.set(HEADERS);
    Readable.from([TEXT.slice(0, 700), TEXT.slice(700)]).pipe(response);
  },
  "pipeline()": async (_, response) => {
    response.set(HEADERS);
    await pipeline(
      Readable.from([Buffer.from(TEXT.slice(0, 9)), TEXT.slice(9)]),
      new PassThrough(),
      response,
    );
  },
  "a buffer that is used again": (_, response) => {
    response.set(HEADERS);
    const buffer = Buffer.alloc(100);
    const next = (at: number): void => {
      if (at === TEXT.length) return void response.end();
      buffer.write(TEXT.slice(at, at + 100));
      response.write(buffer, () => next(at + 100));
    };
    next(0);
  },
};

for (const [name, express] of EXPRESSES) {
  test(
    `cacheResponses() makes a page of ${name} once, however it is written`,
    async (t) => {
      let made = 0;
      await withProgram({ express }, (app) => {
        app.get(/.*/, (request, response, next) => {
          made++;
          return WRITERS[decodeURIComponent(request.url.slice(1))](
            request,
            response,
            next,
          );
        });
      }, async ({ ask }) => {
        for (const writer of Object.keys(WRITERS)) {
          await t.step(writer, async () => {
            made = 0;
            const path = `/${encodeURIComponent(writer)}`;
            const first = await ask(path);
            const second = await ask(path);
            for (const { status, text, headers } of [first, second]) {
              assertEquals([status, text], [200, TEXT]);
              assert(headers["content-type"]?.startsWith("text/x-own"));
              assertEquals(headers["x-own"], "a");
            }
            assertEquals(made, 1);
            assertEquals(first.headers.age, undefined);
            assertEquals(second.headers.age, "0");
            assertEquals(second.headers["content-length"], `${TEXT.length}`);
            const etag = second.headers.etag ?? "";
            assert(/^W\/"[^"]+"$/.test(etag), etag);
            // What is written at once has it from the start.
            const isWhole = first.headers["content-length"] !== undefined;
            assertEquals(first.headers.etag, isWhole ? etag : undefined);
          });
        }
      });
    },
    needsMemcached,
  );

  test(`cacheResponses() keeps bytes, JSON and files of ${name}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "memcache-"));
    const path = join(folder, "page.txt");
    writeFileSync(path, TEXT);
    let made = 0;
    try {
      await withProgram({ express }, (app) => {
        app.use((_: Request, __: Response, next: Next) => {
          made++;
          next();
        });
        app.get("/latin1", (_, response) => response.end(LATIN1, "latin1"));
        app.get("/json", (_, response) => response.json({ a: [1] }));
        app.get(
          "/file",
          (_, response) => response.sendFile(path, { maxAge: 3_600_000 }),
        );
        app.get("/empty", (_, response) => response.end());
      }, async ({ ask }) => {
        for (const page of ["/latin1", "/json", "/file", "/empty"]) {
          made = 0;
          const first = await ask(page);
          const second = await ask(page);
          assertEquals(second.bytes, first.bytes, page);
          assertEquals([second.headers.age, made], ["0", 1], page);
          const type = second.headers["content-type"];
          assertEquals(type, first.headers["content-type"], page);
        }
        assertEquals((await ask("/latin1")).bytes, new Uint8Array([233, 255]));
        assertEquals((await ask("/json")).text, '{"a":[1]}');
        const file = await ask("/file");
        assertEquals(file.text, TEXT);
        const condition = {
          "if-modified-since": file.headers["last-modified"],
        };
        const again = await ask("/file", {
          headers: condition as Record<string, string>,
        });
        assertEquals([again.status, again.text], [304, ""]);
        // A part of a file is for the page to give.
        const part = await ask("/file", { headers: { range: "bytes=0-3" } });
        assertEquals([part.status, part.text], [206, "1000"]);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, needsMemcached);

  test(
    `cacheResponses() makes one page of ${name} for two programs`,
    async () => {
      const open = new Signal();
      let made = 0;
      const page: Handler = async (_, response) => {
        const n = ++made;
        await open.done;
        response.send(`${n}`);
      };
      await withMemcached({}, async (memcached) => {
        await withApp(memcached, { express }, (app) => {
          app.get("/", page);
        }, async ({ send, port }) => {
          await withApp(memcached, { express }, (app) => {
            app.get("/", page);
          }, async (other) => {
            // Both have the address of the first: they are behind one proxy.
            const headers = { host: `127.0.0.1:${port}` };
            const pages = [send, other.send].flatMap((send) =>
              Array.from({ length: 10 }, () => send("/", { headers }).answer)
            );
            open.set();
            const texts = (await Promise.all(pages)).map(({ text }) => text);
            assertEquals([...new Set(texts)], ["1"]);
            assertEquals(made, 1);
          });
        });
      });
    },
    needsMemcached,
  );

  test(
    `cacheResponses() answers 304 under ${name}, and keeps the page`,
    async () => {
      let made = 0;
      await withProgram({ express }, (app) => {
        app.get("/whole", (_, response) => {
          made++;
          response.send("text");
        });
        app.get("/pieces", (request, response) => {
          made++;
          response.set({
            etag: '"own"',
            "x-seen": `${request.headers["if-none-match"]}`,
          });
          response.write("te");
          response.end("xt", () => {});
        });
        app.get("/private", (_, response) => {
          response.set({ "cache-control": "private" }).send("text");
        });
        app.get("/turned", (_, response) => {
          if (++made > 1) response.set({ "cache-control": "private" });
          response.end("text");
        });
      }, async ({ ask, client }) => {
        for (const page of ["/whole", "/pieces"]) {
          const first = await ask(page);
          const etag = first.headers.etag ?? "";
          const condition = { headers: { "if-none-match": `"x", ${etag}` } };
          await client.flushAll();
          made = 0;
          // The first is made by the page, which would have said so itself.
          for (let i = 0; i < 2; i++) {
            const { status, message, text, headers } = await ask(
              page,
              condition,
            );
            assertEquals([status, message, text], [304, "Not Modified", ""]);
            assertEquals(headers.etag, etag);
            assertEquals(headers["content-type"], undefined);
            assertEquals(headers["content-length"], undefined);
          }
          const other = { headers: { "if-none-match": '"x"' } };
          const { status, text, headers } = await ask(page, other);
          assertEquals([status, text, made], [200, "text", 1]);
          if (page === "/pieces") assertEquals(headers["x-seen"], "undefined");
        }
        const { headers: { etag = "" } } = await ask("/private");
        await client.flushAll();
        for (let i = 0; i < 2; i++) {
          const condition = { headers: { "if-none-match": etag } };
          const { status, headers } = await ask("/private", condition);
          assertEquals([status, headers["cache-control"]], [304, "private"]);
        }
        // An ETag of ours is none of a page that is not kept.
        made = 0;
        const turned = (await ask("/turned")).headers.etag ?? "";
        await client.flushAll();
        const { status, text, headers } = await ask("/turned", {
          headers: { "if-none-match": turned },
        });
        assertEquals([status, text, headers.etag], [200, "text", undefined]);
        assertEquals(headers["content-length"], "4");
      });
    },
    needsMemcached,
  );

  test(
    `cacheResponses() answers HEAD under ${name} from what is kept`,
    async () => {
      let made = 0;
      await withProgram({ express }, (app) => {
        app.get("/", (_, response) => response.send(`${++made}`));
      }, async ({ ask }) => {
        assertEquals((await ask("/", { method: "HEAD" })).status, 200);
        assertEquals((await ask()).text, "2");
        const { status, text, headers } = await ask("/", { method: "HEAD" });
        assertEquals([status, text], [200, ""]);
        assertEquals(headers["content-length"], "1");
        assertEquals(headers.age, "0");
        assertEquals((await ask()).text, "2");
      });
    },
    needsMemcached,
  );

  test(`cacheResponses() hands on the errors of ${name}`, async () => {
    let made = 0;
    await withProgram({ express }, (app) => {
      app.get("/thrown", () => {
        made++;
        throw new Error("Thrown");
      });
      app.get("/next", (_, __, next) => {
        made++;
        next(new Error("Handed on"));
      });
      app.get("/later", async (_, __, next) => {
        made++;
        await Promise.resolve();
        if (express !== express5) return next(new Error("Later"));
        throw new Error("Later");
      });
      app.get("/begun", (_, response, next) => {
        made++;
        response.write("begun");
        setImmediate(() => next(new Error("Too late")));
      });
    }, async ({ ask }) => {
      const pages = { thrown: "Thrown", next: "Handed on", later: "Later" };
      for (const [page, message] of Object.entries(pages)) {
        made = 0;
        for (let i = 0; i < 2; i++) {
          const { status, text } = await ask(`/${page}`);
          assertEquals([status, text], [500, message]);
        }
        assertEquals(made, 2);
      }
      made = 0;
      for (let i = 0; i < 2; i++) await assertRejects(() => ask("/begun"));
      assertEquals(made, 2);
      assertEquals((await ask("/absent")).status, 404);
    });
  }, needsMemcached);

  test(
    `cacheResponses() leaves a page of ${name} to another when one hangs up`,
    async () => {
      const begun = new Signal();
      const hungUp = new Signal();
      let made = 0;
      await withProgram({ express }, (app) => {
        app.get("/", (_, response) => {
          if (++made > 1) return response.send(`${made}`);
          response.once("close", hungUp.set);
          response.write("begun");
          begun.set();
        });
      }, async ({ send }) => {
        const first = send("/");
        await begun.done;
        const others = Array.from({ length: 5 }, () => send("/").answer);
        await first.received(5);
        first.abort();
        await hungUp.done;
        const texts = (await Promise.all(others)).map(({ text }) => text);
        assertEquals(texts, Array(5).fill("2"));
        assertEquals(made, 2);
      });
    },
    needsMemcached,
  );

  test(
    `cacheResponses() lets large bodies of ${name} by, at their pace`,
    async () => {
      const size = 4_000_000;
      let made = 0;
      let waits = 0;
      const options = { maxBytes: 100_000 };
      await withProgram({ express, options }, (app) => {
        app.get("/", (_, response) => {
          made++;
          const piece = Buffer.alloc(50_000, made);
          let left = size / piece.length;
          const go = (): void => {
            while (left-- > 0) {
              if (!response.write(piece)) {
                waits++;
                return void response.once("drain", go);
              }
            }
            response.end();
          };
          go();
        });
        app.get("/stated", (_, response) => {
          made++;
          response.send(Buffer.alloc(100_001, made));
        });
      }, async ({ ask }) => {
        for (let n = 1; n <= 2; n++) {
          const { bytes } = await ask();
          assertEquals(bytes.length, size);
          assert(bytes.every((byte) => byte === n));
          assert(waits > 0);
          waits = 0;
        }
        made = 0;
        for (let n = 1; n <= 2; n++) {
          assertEquals(
            (await ask("/stated")).bytes,
            new Uint8Array(100_001).fill(n),
          );
        }
      });
    },
    needsMemcached,
  );

  test(
    `cacheResponses() goes with compression(), before and behind ${name}`,
    async () => {
      const gzip = { headers: { "accept-encoding": "gzip" } };
      for (const isBefore of [true, false]) {
        let made = 0;
        await withProgram({
          express,
          before: (app) => isBefore && app.use(compression({ threshold: 0 })),
        }, (app) => {
          if (!isBefore) app.use(compression({ threshold: 0 }));
          app.get("/whole", (_, response) => {
            made++;
            response.send(TEXT);
          });
          app.get("/pieces", (_, response) => {
            made++;
            response.set({ "content-type": "text/plain" });
            response.write(TEXT.slice(0, 100));
            response.end(TEXT.slice(100));
          });
        }, async ({ ask }) => {
          for (const page of ["/whole", "/pieces"]) {
            made = 0;
            let etag = "";
            for (const options of [gzip, {}, gzip, {}]) {
              const { headers, bytes } = await ask(page, options);
              const isZipped = "headers" in options;
              const encoding = isZipped ? "gzip" : undefined;
              assertEquals(headers["content-encoding"], encoding, page);
              const plain = isZipped ? gunzipSync(bytes) : bytes;
              assertEquals(new TextDecoder().decode(plain), TEXT);
              assertEquals(headers.vary, "Accept-Encoding");
              etag = headers.etag ?? "";
            }
            if (!isBefore) continue;
            assertEquals(made, 1);
            const condition = {
              "if-none-match": etag,
              "accept-encoding": "gzip",
            };
            const { status, bytes } = await ask(page, { headers: condition });
            assertEquals([status, bytes.length], [304, 0]);
          }
        });
      }
    },
    needsMemcached,
  );
}
