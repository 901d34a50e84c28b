/**
 * What every `Dial` must do, as tests. Run for each transport on each runtime.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { once } from "node:events";
import type { Dial } from "../../src/conn/conn.ts";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { test } from "../_runtime.ts";
import {
  closed,
  echo,
  joined,
  open,
  options,
  pattern,
  Probe,
  send,
  serve,
  silent,
  tcp,
  unix,
} from "./_servers.ts";
import { equal, heldUp, longText } from "./_held.ts";

const encoder = new TextEncoder();

/** What the transport under test may leave out. */
export interface Ability {
  /** Reads into the memory that `target` offers. */
  target: boolean;
  /** Reads what had arrived when a write fails; node streams throw it away. */
  rescue: boolean;
}

/** Registers the tests of all that needs no TLS. */
export function conformance(name: string, dial: Dial, can: Ability): void {
  for (const host of ["localhost", "127.0.0.1", "::1", "unix"]) {
    test(`${name}() opens ${host}`, async () => {
      const server = await serve(echo, { host });
      const { conn, probe } = await open(dial, server.address);
      await send(conn, probe, encoder.encode("ping"));
      await probe.until(() => probe.received === 4);
      conn.close();
      await closed(server.sockets[0]);
      assertEquals([probe.text, probe.ends, probe.faults], ["ping", [], []]);
      await server.close();
    });
  }

  test(`${name}() sets keep-alive and Nagle's algorithm as told`, async () => {
    const server = await serve(echo);
    const told = [true, { idle: 60 }, { idle: 60, interval: 5, count: 3 }, {
      interval: 5,
    }];
    for (const keepAlive of told) {
      const more = { keepAlive, noDelay: false };
      const { conn, probe } = await open(dial, server.address, more);
      await send(conn, probe, encoder.encode("ping"));
      await probe.until(() => probe.received === 4);
      conn.close();
    }
    await server.close();
  });

  test(`${name}() rejects with the runtime's error`, async () => {
    const server = await serve(silent);
    await server.close();
    const code = async (promise: Promise<unknown>) =>
      (await assertRejects(() => promise) as { code?: string }).code;
    assertEquals(await code(dial(server.address, options())), "ECONNREFUSED");
    const absent = unix("/nonexistent/m.sock");
    assertEquals(await code(dial(absent, options())), "ENOENT");
  });

  test(`${name}() refuses TLS over a unix domain socket`, async () => {
    await assertRejects(
      () => dial(unix("/nonexistent/m.sock"), options({ tls: {} })),
      MemcacheIllegalInputError,
    );
  });

  test(`${name}() does not begin when the signal has ended it`, async () => {
    const server = await serve(silent);
    const reason = new Error("too late");
    const signal = AbortSignal.abort(reason);
    const error = await assertRejects(() =>
      dial(server.address, options({ signal }))
    );
    assertStrictEquals(error, reason);
    // Another connection comes after what the attempt would have opened.
    const { conn } = await open(dial, server.address);
    await server.accepted();
    assertEquals(server.sockets.length, 1);
    conn.close();
    await server.close();
  });

  for (const host of ["localhost", "127.0.0.1", "unix"]) {
    test(`${name}() lets the signal end a connect to ${host}`, async () => {
      const server = await serve(silent, { host });
      let ended = 0;
      for (let i = 0; i < 20; i++) {
        const control = new AbortController();
        const reason = new Error(`enough ${i}`);
        const attempt = dial(
          server.address,
          options({ signal: control.signal }),
        );
        // Each time a little later, so that all of its steps are met.
        let steps = i;
        const step = () => {
          if (steps-- <= 0) control.abort(reason);
          else if (steps > 10) setImmediate(step);
          else queueMicrotask(step);
        };
        step();
        const conn = await attempt.catch((error) => {
          assertStrictEquals(error, reason);
          ended++;
        });
        conn?.close();
      }
      assert(ended > 0);
      const { conn } = await open(dial, server.address);
      const last = await server.accepted();
      conn.close();
      await closed(last);
      // What was given up has left no socket behind.
      for (const socket of server.sockets) await closed(socket);
      await server.close();
    });
  }

  test(`${name}() delivers nothing before the start, and all after`, async () => {
    const server = await serve((socket) => socket.end("hello"));
    const conn = await dial(server.address, options());
    conn.ref();
    const socket = await server.accepted();
    if (!socket.writableFinished) await once(socket, "finish");
    const turn = await open(dial, server.address);
    await turn.probe.until(() => turn.probe.ends.length === 1);
    const probe = new Probe();
    conn.start(probe);
    assertEquals([probe.received, probe.ends.length], [0, 0]);
    await probe.until(() => probe.ends.length === 1);
    assertEquals(probe.text, "hello");
    assertEquals([probe.ends, probe.faults], [[undefined], []]);
    await server.close();
  });

  test(`${name}() tells of a connection that failed before the start`, async () => {
    const server = await serve((socket) => socket.destroy());
    const conn = await dial(server.address, options());
    conn.ref();
    const turn = await open(dial, server.address);
    await turn.probe.until(() => turn.probe.ends.length === 1);
    const probe = new Probe();
    conn.start(probe);
    await probe.until(() => probe.ends.length === 1);
    assertEquals([probe.received, probe.faults], [0, []]);
    await server.close();
  });

  test(`${name}() carries 8 MiB both ways in one write`, async () => {
    const server = await serve(echo);
    const { conn, probe } = await open(dial, server.address);
    const bytes = pattern(8 << 20);
    assertEquals(conn.write(bytes), false);
    await probe.until(() => probe.received === bytes.length);
    await probe.until(() => probe.drains > 0);
    assert(equal(joined(probe.chunks), bytes));
    assertEquals([probe.drains, probe.ends, probe.faults], [1, [], []]);
    conn.close();
    await server.close();
  });

  test(`${name}() keeps no more than the write it was given`, async () => {
    const server = await serve(silent);
    const { conn, probe } = await open(dial, server.address);
    if (!conn.write(pattern(1000))) {
      await probe.until(() => probe.drains === 1);
      probe.drains = 0;
    }
    // More than the system's own buffers on both sides take.
    const bytes = pattern(32 << 20);
    assertEquals(conn.write(bytes), false);
    const other = await serve(echo);
    const pinger = await open(dial, other.address);
    for (let i = 1; i <= 100; i++) {
      await send(pinger.conn, pinger.probe, encoder.encode("ping"));
      await pinger.probe.until(() => pinger.probe.received === 4 * i);
    }
    pinger.conn.close();
    await other.close();
    assertEquals(probe.drains, 0);
    let at = -1000;
    let wrong = 0;
    const socket = await server.accepted();
    socket.on("data", (chunk: Uint8Array) => {
      for (let i = Math.max(0, -at); i < chunk.length; i += 997) {
        if (chunk[i] !== bytes[at + i]) wrong++;
      }
      at += chunk.length;
    });
    socket.resume();
    await probe.until(() => probe.drains === 1);
    while (at < bytes.length) await once(socket, "data");
    assertEquals([at, wrong, probe.faults], [bytes.length, 0, []]);
    conn.close();
    await server.close();
  });

  test(`${name}() closes at once while a write waits`, async () => {
    const server = await serve(silent);
    const { conn, probe } = await open(dial, server.address);
    assertEquals(conn.write(pattern(32 << 20)), false);
    conn.close();
    conn.close();
    assertEquals(conn.write(pattern(10)), true);
    await closed(await server.accepted());
    assertEquals([probe.drains, probe.ends, probe.faults], [0, [], []]);
    await server.close();
  });

  test(`${name}() keeps many writes in order`, async () => {
    const server = await serve(echo);
    const { conn, probe } = await open(dial, server.address);
    const bytes = pattern(50_000);
    await send(conn, probe, bytes, 17);
    await probe.until(() => probe.received === bytes.length);
    assert(equal(joined(probe.chunks), bytes));
    assertEquals(probe.faults, []);
    conn.close();
    await server.close();
  });

  test(`${name}() keeps connections apart that read at a time`, async () => {
    const server = await serve((socket) => {
      socket.once("data", (seed) => socket.end(pattern(1 << 20, seed[0])));
    });
    const all = await Promise.all(
      [1, 2, 3, 4, 5, 6, 7, 8].map(async (seed) => {
        const { conn, probe } = await open(dial, server.address);
        await send(conn, probe, Uint8Array.of(seed));
        return { seed, probe };
      }),
    );
    for (const { seed, probe } of all) {
      await probe.until(() => probe.ends.length === 1);
      assert(equal(joined(probe.chunks), pattern(1 << 20, seed)));
      assertEquals([probe.ends, probe.faults], [[undefined], []]);
    }
    await server.close();
  });

  test(`${name}() ends without an error when the other side ends`, async () => {
    const server = await serve((socket) => socket.end("bye"));
    const { conn, probe } = await open(dial, server.address);
    await probe.until(() => probe.ends.length === 1);
    assertEquals([probe.text, probe.ends, probe.faults], ["bye", [
      undefined,
    ], []]);
    assertEquals(conn.write(encoder.encode("anyone?")), true);
    // It does not stay half open.
    await closed(await server.accepted());
    conn.close();
    await server.close();
  });

  test(`${name}() does not stay half open for a write that waits`, async () => {
    const server = await serve((socket) => silent(socket.end("bye")));
    const { conn, probe } = await open(dial, server.address);
    assertEquals(conn.write(pattern(32 << 20)), false);
    await probe.until(() => probe.ends.length === 1);
    const socket = await server.accepted();
    let received = 0;
    socket.on("data", (bytes: Uint8Array) => received += bytes.length);
    await closed(socket);
    assert(received < 32 << 20, `${received} bytes`);
    assertEquals([probe.text, probe.drains, probe.faults], ["bye", 0, []]);
    await server.close();
  });

  test(`${name}() ends once when the other side resets`, async () => {
    const server = await serve((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    const { conn, probe } = await open(dial, server.address);
    await send(conn, probe, encoder.encode("ping"));
    await probe.until(() => probe.ends.length === 1);
    assertEquals([probe.received, probe.faults], [0, []]);
    await server.close();
  });

  test(`${name}() delivers what came before a write failed`, async () => {
    const reply = pattern(60_000);
    const server = await serve((socket) => {
      socket.end(reply, () => socket.destroy());
    });
    const conn = await dial(server.address, options());
    conn.ref();
    await closed(await server.accepted());
    const probe = new Probe();
    conn.start(probe);
    let writes = 0;
    const write = () => {
      while (probe.ends.length === 0 && writes++ < 50 && conn.write(reply));
    };
    probe.onDrain = write;
    write();
    await probe.until(() => probe.ends.length === 1);
    const all = equal(joined(probe.chunks), reply);
    if (can.rescue) assert(all, `${probe.received} bytes`);
    assertEquals([probe.ends.length, probe.faults], [1, []]);
    await server.close();
  });

  test(`${name}() tells nothing after close() within data()`, async () => {
    const server = await serve((socket) => socket.end(pattern(1 << 20)));
    const { conn, probe } = await open(dial, server.address);
    probe.onData = () => {
      conn.close();
      probe.onTarget = () => {
        probe.faults.push("target after close");
        return undefined;
      };
    };
    await closed(await server.accepted());
    await probe.until(() => probe.chunks.length === 1);
    assertEquals([probe.chunks.length, probe.ends], [1, []]);
    assertEquals(probe.faults, []);
    await server.close();
  });

  test(`${name}() tells nothing after close() within drain()`, async () => {
    const server = await serve(echo);
    const { conn, probe } = await open(dial, server.address);
    let late = 0;
    probe.onDrain = () => {
      conn.close();
      late = probe.received;
    };
    conn.write(pattern(8 << 20));
    await closed(await server.accepted());
    assertEquals([probe.drains, probe.received - late, probe.ends], [1, 0, []]);
    await server.close();
  });

  test(`${name}() gives others their turn while it reads on and on`, async () => {
    const bytes = pattern(4 << 20);
    const server = await serve((socket) => {
      socket.once("data", () => socket.end(bytes));
    });
    const { conn, probe } = await open(dial, server.address);
    let inTurn = 0;
    let most = 0;
    let ended = false;
    const count = () => {
      inTurn = 0;
      if (!ended) setImmediate(count);
    };
    count();
    probe.onData = () => {
      most = Math.max(most, ++inTurn);
      // What the protocol does with it takes its time.
      const until = performance.now() + 2.1;
      while (performance.now() < until);
    };
    conn.write(encoder.encode("go"));
    await probe.until(() => probe.ends.length === 1);
    ended = true;
    assert(most <= 2, `${most} pieces in one turn`);
    assert(equal(joined(probe.chunks), bytes));
    assertEquals([probe.ends, probe.faults], [[undefined], []]);
    await server.close();
  });

  test(`${name}() reads nothing on while it is paused`, async () => {
    await heldUp(dial, await serve(longText));
  });

  test(`${name}() closes while it is paused`, async () => {
    const server = await serve(longText);
    const { conn, probe } = await open(dial, server.address);
    probe.onData = () => conn.pause?.();
    conn.write(encoder.encode("go"));
    await probe.until(() => probe.received > 0);
    conn.close();
    conn.pause?.();
    conn.resume?.();
    await closed(await server.accepted());
    assertEquals([probe.ends, probe.faults], [[], []]);
    await server.close();
  });

  test(`${name}() delivers nothing after close() while it rests`, async () => {
    const server = await serve((socket) => socket.end(pattern(4 << 20)));
    const { conn, probe } = await open(dial, server.address);
    let late = 0;
    let closing = false;
    probe.onData = () => {
      if (closing) late++;
      const until = performance.now() + 3;
      while (performance.now() < until);
      if (probe.chunks.length < 4 || closing) return;
      closing = true;
      queueMicrotask(() => conn.close());
    };
    await closed(await server.accepted());
    await new Promise((resolve) => setImmediate(resolve));
    assertEquals([closing, late, probe.ends, probe.faults], [true, 0, [], []]);
    await server.close();
  });

  test(`${name}() reads into the memory that target() gives`, async () => {
    const value = pattern(4 << 20);
    const server = await serve((socket) => {
      socket.write("VA 4194304\r\n");
      socket.once("data", () => socket.end(value));
    });
    const { conn, probe } = await open(dial, server.address);
    const into = new Uint8Array(value.length);
    let filled = 0;
    let inPlace = 0;
    let head = "";
    probe.onData = (bytes) => {
      if (head === "") {
        head = new TextDecoder().decode(bytes);
        conn.write(encoder.encode("go"));
      } else if (bytes.buffer === into.buffer) {
        assertEquals(bytes.byteOffset, filled);
        inPlace += bytes.length;
        filled += bytes.length;
      } else {
        into.set(bytes, filled);
        filled += bytes.length;
      }
    };
    probe.onTarget = () =>
      head !== "" && filled < into.length ? into.subarray(filled) : undefined;
    await probe.until(() => probe.ends.length === 1);
    assertEquals([head, filled], ["VA 4194304\r\n", value.length]);
    assert(equal(into, value));
    if (can.target) assert(inPlace > value.length / 2, `${inPlace} in place`);
    assertEquals(probe.faults, []);
    await server.close();
  });

  test(`${name}() reads text as TextDecoder does`, async () => {
    const server = await serve(silent);
    const { conn } = await open(dial, server.address);
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    // Bytes at the borders of what UTF-8 allows make every kind of error.
    const pool = encoder.encode("aé€\u{1f600}\ufeff\u0000");
    const edges = [0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xa0, 0xed, 0xf0, 0xf4, 0xff];
    const random = pattern(60_000);
    for (let at = 0; at + 600 < random.length; at += 30) {
      const length = at % 20 === 0 ? 500 : random[at] % 24;
      const bytes = random.subarray(at, at + 600).map((byte) =>
        byte < 200 ? pool[byte % pool.length] : edges[byte % edges.length]
      );
      const start = random[at] % 3;
      assertEquals(
        conn.text?.(bytes, start, start + length),
        decoder.decode(bytes.subarray(start, start + length)),
      );
    }
    conn.close();
    await server.close();
  });

  test(`${name}() takes the host of the address as it is`, async () => {
    await assertRejects(() => dial(tcp("no..such..host", 1), options()));
  });
}
