/**
 * The middleware that keeps responses, under real Express 4 and 5, over loopback
 * and a real memcached. The rules of what is kept are those of Hono's, which
 * `hono_test.ts` goes through; here is what Express and node:http have of their
 * own.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
} from "node:http2";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import compression from "compression";
import session from "express-session";
import { Hono } from "hono";
import { Client, MemcacheIllegalInputError } from "@x/memcache";
import { cacheResponses } from "@x/memcache/express";
import { cacheResponses as cacheHono } from "@x/memcache/hono";
import { needsMemcached, withMemcached } from "../_memcached.ts";
import { test } from "../_runtime.ts";
import {
  type App,
  type AskOptions,
  EXPRESSES,
  type Handler,
  type Next,
  type Request,
  type Response,
  send,
  Signal,
  withApp,
  withProgram,
  withServer,
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

test(
  "cacheResponses() keeps encoded pages for those who can read them",
  async () => {
    let made = 0;
    await withProgram({
      express: express5,
      options: { vary: ["Accept-Encoding"] },
    }, (app) => {
      app.use(compression({ threshold: 0 }));
      app.get("/", (_, response) => {
        made++;
        response.send(TEXT);
      });
    }, async ({ ask }) => {
      for (const encoding of ["gzip", "identity", "gzip", "identity"]) {
        const headers = { "accept-encoding": encoding };
        const answer = await ask("/", { headers });
        const isZipped = answer.headers["content-encoding"] === "gzip";
        assertEquals(isZipped, encoding === "gzip");
        const { bytes } = answer;
        const plain = isZipped ? gunzipSync(bytes) : bytes;
        assertEquals(new TextDecoder().decode(plain), TEXT);
      }
      assertEquals(made, 2);
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() survives those who hang up on what is not kept",
  async () => {
    let closed = new Signal();
    const reached = new Signal();
    await withProgram(
      { express: express5, options: { maxBytes: 10 } },
      (app) => {
        app.get("/large", (_, response) => {
          response.once("close", closed.set);
          response.write("begun".repeat(10));
        });
        app.get("/private", (_, response) => {
          response.once("close", closed.set);
          response.set({ "cache-control": "private" }).write("begun");
        });
        app.get("/silent", (_, response) => {
          response.once("close", closed.set);
          reached.set();
        });
        app.get("/", (_, response) => response.send("text"));
      },
      async ({ ask, send }) => {
        for (const page of ["/large", "/private"]) {
          const one = send(page);
          await one.received(5);
          one.abort();
          await closed.done;
          closed = new Signal();
        }
        const silent = send("/silent");
        await reached.done;
        silent.abort();
        await closed.done;
        assertEquals((await ask()).text, "text");
      },
    );
  },
  needsMemcached,
);

test(
  "cacheResponses() leaves it to Express to refuse what is no body",
  async () => {
    const routes = (app: App): void => {
      app.get("/end", (_, response) => response.end(1));
      app.get("/write", (_, response) => response.write({}));
      app.get("/null", (_, response) => response.write(null));
    };
    await withProgram({ express: express5 }, routes, async ({ ask }) => {
      for (const page of ["/end", "/write", "/null"]) {
        for (let i = 0; i < 2; i++) {
          const { status, headers } = await ask(page);
          assertEquals([page, status, headers.age], [page, 500, undefined]);
        }
      }
    });
  },
  // Bun writes the head before it looks at a body: it hangs up.
  { ...needsMemcached, runtimes: ["deno", "node"] },
);

test(
  "cacheResponses() gives who makes a page what is written, at once",
  async () => {
    const open = new Signal();
    await withProgram({ express: express5 }, (app) => {
      app.get("/kept", async (_, response) => {
        response.write("begun");
        await open.done;
        response.end(", and done");
      });
      app.get("/flushed", async (_, response) => {
        response.flushHeaders();
        await open.done;
        response.end("text");
      });
      app.get("/events", async (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write("data: 1\n\n");
        await open.done;
        response.end();
      });
    }, async ({ send, ask }) => {
      const kept = send("/kept");
      assertEquals(await kept.received(5), "begun");
      const flushed = send("/flushed");
      await flushed.begun;
      // Nobody waits for events that others get.
      const events = [send("/events"), send("/events")];
      for (const one of events) {
        assertEquals(await one.received(9), "data: 1\n\n");
      }
      const other = send("/kept").answer;
      open.set();
      assertEquals((await kept.answer).text, "begun, and done");
      assertEquals((await other).text, "begun, and done");
      assertEquals((await flushed.answer).text, "text");
      assertEquals((await ask("/flushed")).headers.age, "0");
      for (const one of events) {
        await one.answer;
      }
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() does not wait for a client that reads slowly",
  async () => {
    const size = 16_000_000;
    const begun = new Signal();
    const open = new Signal();
    const setup = {
      express: express5,
      options: { maxBytes: size },
      client: { timeout: 20_000 },
    };
    let made = 0;
    // A server that takes it whole.
    const args = ["-I", "32m", "-m", "256"];
    await withMemcached(
      { args },
      (memcached) =>
        withApp(memcached, setup, (app) => {
          app.get("/", async (_, response) => {
            made++;
            begun.set();
            await open.done;
            // Pieces, each when there is room for it.
            Readable.from(Array(size / 50_000).fill(Buffer.alloc(50_000, 1)))
              .pipe(response);
          });
        }, async ({ port, send }) => {
          // It never reads: more than its socket takes is stuck.
          const slow = connect(port, "127.0.0.1");
          slow.pause();
          slow.write(`GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`);
          await begun.done;
          const other = send("/");
          open.set();
          const { bytes, headers } = await other.answer;
          assertEquals([bytes.length, made], [size, 1]);
          assert(headers.age !== undefined);
          slow.destroy();
        }),
    );
  },
  { ...needsMemcached, timeout: 30_000 },
);

const UNKEPT: Readonly<Record<string, Record<string, string>>> = {
  "a cookie": { "set-cookie": "a=1" },
  "private": { "cache-control": "private" },
  "a shorter time": { "cache-control": "max-age=59" },
  "a Vary that is not listed": { vary: "Accept" },
  "an end that has passed": { expires: "0" },
  "an encoding": { "content-encoding": "br" },
};

test(
  "cacheResponses() keeps what may be kept of Express, and no more",
  async (t) => {
    let made = 0;
    await withProgram({ express: express5 }, (app) => {
      app.get("/set/:name", (request, response) => {
        const [, , name] = decodeURIComponent(request.url).split("/");
        response.set(UNKEPT[name]).send(`${++made}`);
      });
      app.get("/head/:name", (request, response) => {
        const [, , name] = decodeURIComponent(request.url).split("/");
        response.writeHead(200, UNKEPT[name]);
        response.end(`${++made}`);
      });
      app.get(
        "/status",
        (_, response) => response.status(203).send(`${++made}`),
      );
    }, async ({ ask }) => {
      for (const [name, headers] of Object.entries(UNKEPT)) {
        await t.step(name, async () => {
          for (const way of ["set", "head"]) {
            made = 0;
            for (const n of ["1", "2"]) {
              const path = `/${way}/${encodeURIComponent(name)}`;
              const answer = await ask(path);
              assertEquals(answer.text, n);
              for (const [name, value] of Object.entries(headers)) {
                assertEquals(String(answer.headers[name]), value);
              }
            }
          }
        });
      }
      made = 0;
      assertEquals((await ask("/status")).text, "1");
      assertEquals((await ask("/status")).text, "2");
    });
  },
  needsMemcached,
);

const PASSED: Readonly<Record<string, AskOptions>> = {
  "POST": { method: "POST" },
  "Authorization": { headers: { authorization: "Basic eDp5" } },
  "Cookie": { headers: { cookie: "a=1" } },
  "no-store": { headers: { "cache-control": "no-store" } },
};

test("cacheResponses() lets requests of Express go by", async (t) => {
  let made = 0;
  await withProgram({ express: express5 }, (app) => {
    app.use((_: Request, response: Response) => response.send(`${++made}`));
  }, async ({ ask }) => {
    assertEquals((await ask()).text, "1");
    for (const [name, asked] of Object.entries(PASSED)) {
      await t.step(name, async () => {
        made = 1;
        assertEquals((await ask("/", asked)).text, "2");
        assertEquals((await ask()).text, "1");
      });
    }
  });
}, needsMemcached);

test(
  "cacheResponses() keeps a page of Express for each host, path and header",
  async () => {
    let made = 0;
    const page: Handler = (_, response) => response.send(`${++made}`);
    await withProgram({
      express: express5,
      options: { vary: ["Accept-Language"] },
      before: (app) => {
        app.set("trust proxy", true);
        app.use((request: Request, _: Response, next: Next) => {
          if (request.headers["user-agent"] === "phone") request.url = "/phone";
          next();
        });
      },
    }, (app) => {
      app.get("/", page);
      app.get("/phone", page);
    }, async ({ ask }) => {
      const requests: AskOptions[] = [
        {},
        { headers: { host: "example.com" } },
        { headers: { "x-forwarded-host": "example.com" } },
        { headers: { "x-forwarded-proto": "https" } },
        { headers: { "user-agent": "phone" } },
        { headers: { "accept-language": "en" } },
        { headers: { "accept-language": "de" } },
      ];
      for (const _ of [1, 2]) {
        for (const [i, options] of requests.entries()) {
          assertEquals((await ask("/", options)).text, `${i + 1}`);
        }
      }
      assertEquals((await ask("/?q")).text, "8");
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() serves a part of a program, and Express's routers",
  async () => {
    let made = 0;
    await withMemcached({}, async (memcached) => {
      const client = new Client(memcached.server);
      const app = express5();
      app.use("/kept", cacheResponses(client));
      app.get(/.*/, (_, response) => response.send(`${++made}`));
      try {
        await withServer(app, async (port) => {
          const ask = async (path: string) =>
            await (await fetch(`http://127.0.0.1:${port}${path}`, {
              headers: { connection: "close" },
            })).text();
          const texts = [];
          for (const path of ["/kept", "/kept/a", "/a", "/kept", "/kept/a"]) {
            texts.push(await ask(path));
          }
          assertEquals(texts, ["1", "2", "3", "1", "2"]);
          assertEquals(await ask("/a"), "4");
        });
      } finally {
        await client.close();
      }
    });
  },
  needsMemcached,
);

test("cacheResponses() keeps no page that a session goes with", async () => {
  const sessions = () =>
    session({ secret: "x", resave: false, saveUninitialized: true });
  for (const isBefore of [true, false]) {
    let made = 0;
    await withProgram({
      express: express5,
      before: (app) => isBefore && app.use(sessions()),
    }, (app) => {
      if (!isBefore) app.use(sessions());
      app.get("/", (_, response) => response.send(`${++made}`));
    }, async ({ ask }) => {
      const [first, second] = [await ask(), await ask()];
      assertEquals([first.text, second.text], ["1", "2"]);
      // Each has a cookie of its own.
      const cookies = [first, second].map(({ headers }) =>
        String(headers["set-cookie"])
      );
      assert(cookies.every((cookie) => cookie.startsWith("connect.sid=")));
      assert(cookies[0] !== cookies[1]);
    });
  }
}, needsMemcached);

test("cacheResponses() lets those before it change a page", async () => {
  let made = 0;
  await withProgram({
    express: express5,
    before: (app) =>
      app.use((_: Request, response: Response, next: Next) => {
        // Gathers all of it, and only then knows how long it is.
        const { write, end } = response;
        const pieces: Uint8Array[] = [];
        const take = (piece: unknown): void => {
          if (piece === undefined || typeof piece === "function") return;
          pieces.push(Buffer.from(piece as string));
        };
        response.write = ((piece: unknown) => {
          take(piece);
          return true;
        }) as typeof write;
        response.end = ((piece: unknown) => {
          take(piece);
          const body = `${Buffer.concat(pieces)}, changed`;
          if (response.statusCode === 304) {
            return end.apply(response, [] as never);
          }
          response.setHeader("content-length", `${body.length}`);
          return end.apply(response, [body] as never);
        }) as typeof end;
        next();
      }),
  }, (app) => {
    app.get("/whole", (_, response) => response.send(`page ${++made}`));
    app.get("/pieces", (_, response) => {
      response.set({ etag: '"own"' }).write("page ");
      response.end(`${++made}`);
    });
  }, async ({ ask, client }) => {
    for (const page of ["/whole", "/pieces"]) {
      for (const headers of [{}, { "if-none-match": '"x"' }]) {
        await client.flushAll();
        made = 0;
        for (const age of [undefined, "0"]) {
          const answer = await ask(page, { headers } as AskOptions);
          assertEquals(answer.text, "page 1, changed");
          assertEquals(answer.headers.age, age);
        }
      }
      const { headers: { etag = "" } } = await ask(page);
      for (let i = 0; i < 2; i++) {
        const headers = { "if-none-match": etag };
        assertEquals((await ask(page, { headers })).status, 304);
      }
    }
  });
}, needsMemcached);

test(
  "cacheResponses() goes with sessions that are saved before the end",
  async () => {
    let made = 0;
    let cookie = "";
    await withProgram({
      express: express5,
      options: { ignoreCookies: true },
      before: (app) => {
        app.use((request: Request, _: Response, next: Next) => {
          // Signed with the secret: this one exists.
          request.headers.cookie = cookie;
          next();
        });
        app.use(
          session({ secret: "x", resave: true, saveUninitialized: false }),
        );
        app.use("/in", (request: Request, response: Response) => {
          Object.assign(Reflect.get(request, "session"), { user: 1 });
          response.send("in");
        });
      },
    }, (app) => {
      app.get("/whole", (_, response) => response.send(`page ${++made}`));
      app.get("/pieces", (_, response) => {
        response.write("page ");
        response.end(`${++made}`);
      });
    }, async ({ ask }) => {
      const { headers } = await ask("/in");
      [cookie] = String(headers["set-cookie"]).split(";");
      for (const page of ["/whole", "/pieces"]) {
        made = 0;
        for (const age of [undefined, "0"]) {
          const answer = await ask(page);
          assertEquals([answer.text, answer.headers.age], ["page 1", age]);
          assertEquals(answer.headers["set-cookie"], undefined);
        }
      }
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() leaves headers to those who were before it",
  async () => {
    let requests = 0;
    await withProgram({
      express: express5,
      before: (app) =>
        app.use((_: Request, response: Response, next: Next) => {
          response.set({
            "x-request": `${++requests}`,
            "x-replaced": "before",
          });
          next();
        }),
    }, (app) => {
      app.get("/", (_, response) => {
        response.set({ "x-replaced": "after" }).send("text");
      });
    }, async ({ ask }) => {
      for (const n of ["1", "2"]) {
        const { headers } = await ask();
        assertEquals([headers["x-request"], headers["x-replaced"]], [
          n,
          "after",
        ]);
      }
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() keeps no page with trailers, nor one cut short",
  async () => {
    let made = 0;
    await withProgram({ express: express5 }, (app) => {
      app.get("/trailers", (_, response) => {
        response.set({ trailer: "x-sum" });
        response.write(`${++made}`);
        response.addTrailers({ "x-sum": "1" });
        response.end();
      });
      app.get("/unnamed", (_, response) => {
        response.write(`${++made}`);
        response.addTrailers({ "x-sum": "1" });
        response.end();
      });
      app.get("/short", (_, response) => {
        made++;
        response.set({ "content-length": "10" }).write("short");
        response.end();
      });
      app.get("/destroyed", (_, response) => {
        made++;
        response.write("begun", () => response.destroy());
      });
    }, async ({ ask }) => {
      for (const n of ["1", "2"]) {
        const { text, trailers } = await ask("/trailers");
        assertEquals([text, trailers["x-sum"]], [n, "1"]);
      }
      assertEquals((await ask("/unnamed")).text, "3");
      assertEquals((await ask("/unnamed")).text, "4");
      for (let i = 0; i < 2; i++) {
        await assertRejects(() => ask("/destroyed"));
        // What comes of it is the runtime's to say, but it is made each time.
        await ask("/short").catch(() => {});
      }
      assertEquals(made, 8);
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() gives the old page of Express while one makes the new",
  async () => {
    const open = new Signal();
    const making = new Signal();
    let made = 0;
    await withProgram({
      express: express5,
      options: { ttl: 1, staleFor: 600 },
    }, (app) => {
      app.get("/", async (_, response) => {
        const n = ++made;
        if (n === 2) {
          making.set();
          await open.done;
        }
        response.send(`${n}`);
      });
    }, async ({ ask, send, client }) => {
      assertEquals((await ask()).text, "1");
      for await (const { key } of client.keys()) {
        // Its ttl is over, and 500 of the 600 seconds are left.
        await client.touch(String(key), 500);
      }
      const renewed = send("/").answer;
      await making.done;
      const others = Array.from({ length: 5 }, () => send("/").answer);
      for (const { text } of await Promise.all(others)) assertEquals(text, "1");
      open.set();
      assertEquals((await renewed).text, "2");
      assertEquals((await ask()).text, "2");
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() keeps the old page of Express when the new fails",
  async () => {
    const told = new Signal();
    let made = 0;
    await withProgram({
      express: express5,
      options: { ttl: 1, staleFor: 600 },
      client: {
        onError: ({ code }) => code === "ERR_LOAD_FAILED" && told.set(),
      },
    }, (app) => {
      app.get("/", (_, response) => {
        response.status(++made === 2 ? 503 : 200).send(`${made}`);
      });
    }, async ({ ask, client }) => {
      assertEquals((await ask()).text, "1");
      for await (const { key } of client.keys()) {
        await client.touch(String(key), 500);
      }
      // One request is told, and another one tries again.
      const failed = await ask();
      assertEquals([failed.status, failed.text], [503, "2"]);
      await told.done;
      assertEquals((await ask()).text, "3");
      assertEquals((await ask()).text, "3");
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() breaks no page of Express when the cache is down",
  async () => {
    let made = 0;
    let dies = (): Promise<void> => Promise.resolve();
    await withProgram({
      express: express5,
      client: { timeout: 50 },
    }, (app) => {
      app.get("/", (_, response) => response.send(`${++made}`));
      app.get("/dying", async (_, response) => {
        await dies();
        response.send("made");
      });
    }, async ({ ask, send, memcached, client }) => {
      memcached.pause();
      assertEquals((await ask()).text, "1");
      memcached.resume();
      dies = () => memcached.kill();
      // One that dies while a page is made: the others make their own.
      const pages = [send("/dying"), send("/dying"), send("/dying")];
      for (const { answer } of pages) assertEquals((await answer).text, "made");
      assertEquals((await ask()).text, "2");
      assertEquals((await ask("/", { method: "HEAD" })).status, 200);
      await client.close();
      assertEquals((await ask()).text, "4");
    });
  },
  needsMemcached,
);

test(
  "cacheResponses() makes the page of Express where no response is kept",
  async () => {
    let made = 0;
    await withProgram({ express: express5 }, (app) => {
      app.get("/", (_, response) => response.send(`${++made}`));
    }, async ({ ask, client }) => {
      await ask();
      const values = ["text", new Uint8Array([1, 10]), { a: 1 }, "[null,[]]\n"];
      for (const value of values) {
        for await (const { key } of client.keys()) {
          await client.set(String(key), value);
        }
        assertEquals((await ask()).status, 200);
      }
      assertEquals((await ask()).text, "6");
    });
  },
  needsMemcached,
);

test("cacheResponses() leaves alone what was answered meanwhile", async () => {
  const open = new Signal();
  let made = 0;
  await withProgram({
    express: express5,
    before: (app) =>
      app.use((request: Request, response: Response, next: Next) => {
        next();
        if (request.headers["x-late"]) response.status(503).send("Too late");
      }),
  }, (app) => {
    app.get("/", async (_, response) => {
      made++;
      await open.done;
      response.send("made");
    });
  }, async ({ ask, send }) => {
    const late = { headers: { "x-late": "1" } };
    // Before the cache has said that nothing is kept.
    assertEquals((await ask("/", late)).text, "Too late");
    const page = send("/").answer;
    assertEquals((await ask("/", late)).text, "Too late");
    open.set();
    assertEquals((await page).text, "made");
    assertEquals((await ask("/", late)).text, "Too late");
    assertEquals(made, 1);
  });
}, needsMemcached);

test("cacheResponses() does its work on node:http2", async () => {
  await withMemcached({}, async (memcached) => {
    const client = new Client(memcached.server);
    const middleware = cacheResponses(client);
    let made = 0;
    const server = createHttp2Server((request, response) => {
      middleware(request, response, () => {
        if (request.url === "/pieces") response.write("page ");
        else response.writeHead(200, { "x-own": "a" }).write("page ");
        response.end(`${++made}`);
      });
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { port } = server.address() as AddressInfo;
    const connection = connectHttp2(`http://127.0.0.1:${port}`);
    const ask = (path: string, headers: Record<string, string> = {}) =>
      new Promise<{ text: string; headers: Record<string, unknown> }>(
        (resolve, reject) => {
          const stream = connection.request({ ":path": path, ...headers });
          let text = "";
          let head = {};
          stream.on("response", (headers) => head = headers);
          stream.on("data", (chunk) => text += chunk);
          stream.on("end", () => resolve({ text, headers: head }));
          stream.on("error", reject);
          stream.end();
        },
      );
    try {
      for (const path of ["/pieces", "/head"]) {
        made = 0;
        assertEquals((await ask(path)).text, "page 1");
        const { text, headers } = await ask(path);
        assertEquals([text, headers.age], ["page 1", "0"]);
        const etag = String(headers.etag);
        const again = await ask(path, { "if-none-match": etag });
        assertEquals([again.headers[":status"], again.text], [304, ""]);
        await client.flushAll();
        // The one who makes it has it. Its stream may end before the page does,
        // which is then left to the next.
        const own = await ask(path, { "if-none-match": "*" });
        assertEquals([own.headers[":status"], own.text], [304, ""]);
        assertMatch((await ask(path)).text, /^page [23]$/);
      }
    } finally {
      await new Promise<void>((done) => connection.close(done));
      await new Promise((done) => server.close(done));
      await client.close();
    }
  });
}, needsMemcached);

test("cacheResponses() does its work without Express", async () => {
  await withMemcached({}, async (memcached) => {
    const client = new Client(memcached.server);
    const middleware = cacheResponses(client);
    let made = 0;
    let failure: unknown;
    try {
      await withServer((request, response) => {
        const page = (): void => {
          made++;
          if (request.url?.startsWith("/thrown")) throw new Error("Thrown");
          response.writeHead(200, [["x-own", "a"], ["x-own", "b"]].flat());
          response.end(`${made}`);
        };
        middleware(request, response, page).catch((error) => {
          failure = error;
          if (request.headers["x-drop"]) response.destroy();
          else response.writeHead(500).end();
        });
      }, async (port) => {
        for (let i = 0; i < 2; i++) {
          const response = await fetch(`http://127.0.0.1:${port}/`, {
            headers: { connection: "close" },
          });
          assertEquals(await response.text(), "1");
          assertEquals(response.headers.get("x-own"), "a, b");
        }
        const response = await fetch(`http://127.0.0.1:${port}/thrown`, {
          headers: { connection: "close" },
        });
        await response.body?.cancel();
        assertEquals(response.status, 500);
        assertEquals(String(failure), "Error: Thrown");
        failure = undefined;
        const headers = { "x-drop": "1" };
        await assertRejects(() => send(port, "/thrown?", { headers }).answer);
        assertEquals(String(failure), "Error: Thrown");
      });
    } finally {
      await client.close();
    }
  });
}, needsMemcached);

test(
  "cacheResponses() of Hono and of Express keep the same records",
  async () => {
    await withProgram({ express: express5 }, (app) => {
      app.get("/", (_, response) => response.set(HEADERS).send("Express"));
    }, async ({ ask, port, client }) => {
      const app = new Hono();
      app.use(cacheHono(client));
      app.get("*", (c) => c.body("Hono", 200, HEADERS));
      const get = async (path: string) => {
        const response = await app.request(`http://127.0.0.1:${port}${path}`);
        const { headers } = response;
        return [
          await response.text(),
          headers.get("x-own"),
          headers.get("age"),
        ];
      };
      await ask("/");
      assertEquals(await get("/"), ["Express", "a", "0"]);
      await get("/hono");
      const { text, headers } = await ask("/hono");
      assertEquals([text, headers["x-own"], headers.age], ["Hono", "a", "0"]);
    });
  },
  needsMemcached,
);

test("cacheResponses() refuses what it cannot use for Express", async () => {
  const client = new Client();
  for (const options of [{ ttl: 0 }, { vary: ["*"] }, { prefix: "a b" }]) {
    const [name] = Object.keys(options);
    assertThrows(
      () => cacheResponses(client, options),
      MemcacheIllegalInputError,
      `Cannot use option ${name}: `,
    );
  }
  assertThrows(
    () => cacheResponses(express5() as never),
    MemcacheIllegalInputError,
    "Cannot use option client: ",
  );
  await client.close();
});
