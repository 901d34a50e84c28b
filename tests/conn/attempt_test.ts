import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  abortable,
  checkAttempt,
  Inbox,
  tlsName,
} from "../../src/conn/attempt.ts";
import { dial, dialBun, dialDeno } from "../../src/conn/dial.ts";
import { MemcacheConnectionError } from "../../src/errors.ts";
import { runtime, test } from "../_runtime.ts";
import { options, Probe, serve, tcp } from "./_servers.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test("Inbox() keeps what comes before the start, in order", async () => {
  const inbox = new Inbox();
  const probe = new Probe();
  const reused = bytes("one");
  inbox.data(reused);
  reused.fill(0);
  inbox.data(bytes("two"));
  inbox.start(probe);
  assertEquals(probe.received, 0);
  inbox.data(bytes("three"));
  const error = new Error("late");
  inbox.end(error);
  inbox.data(bytes("four"));
  inbox.end();
  assertEquals(probe.received, 0);
  await turn();
  assertEquals(probe.text, "onetwothree");
  assertEquals([probe.ends, probe.faults], [[error], []]);
});

test("Inbox() passes on at once after the start", () => {
  const inbox = new Inbox();
  const probe = new Probe();
  inbox.drain();
  inbox.start(probe);
  const given = bytes("one");
  probe.onData = (bytes) => assertStrictEquals(bytes, given);
  inbox.data(given);
  inbox.drain();
  assertEquals([probe.text, probe.drains, inbox.over], ["one", 1, false]);
  inbox.end();
  assertEquals([probe.ends, inbox.over], [[undefined], true]);
});

test("Inbox() passes on nothing after close()", async () => {
  const early = new Inbox();
  const probe = new Probe();
  early.data(bytes("one"));
  early.data(bytes("two"));
  probe.onData = () => early.close();
  early.start(probe);
  await turn();
  assertEquals(probe.text, "one");
  early.data(bytes("three"));
  early.drain();
  early.end();
  assertEquals([probe.text, probe.drains, probe.ends], ["one", 0, []]);
  const unheard = new Inbox();
  unheard.data(bytes("one"));
  unheard.end();
  unheard.start(probe);
  unheard.close();
  await turn();
  assertEquals([probe.text, probe.ends, unheard.over], ["one", [], true]);
});

test("Inbox() offers memory only while there is a use for it", () => {
  const inbox = new Inbox();
  const probe = new Probe();
  const memory = new Uint8Array(10);
  probe.onTarget = () => memory;
  assertEquals(inbox.target(), undefined);
  inbox.start(probe);
  assertStrictEquals(inbox.target(), memory);
  probe.onTarget = () => memory.subarray(10);
  assertEquals(inbox.target(), undefined);
  probe.onTarget = () => memory;
  inbox.end();
  assertEquals([inbox.target(), probe.faults], [undefined, []]);
});

test("abortable() settles as the attempt does", async () => {
  const { signal } = new AbortController();
  const close = () => {
    throw new Error("must not be closed");
  };
  assertEquals(await abortable(signal, Promise.resolve(5), close), 5);
  const error = new Error("no");
  const attempt = abortable(signal, Promise.reject(error), close);
  assertStrictEquals(await assertRejects(() => attempt), error);
});

test("abortable() closes what an attempt opens too late", async () => {
  const control = new AbortController();
  const closed: number[] = [];
  let open = (_: number) => {};
  const slow = new Promise<number>((resolve) => open = resolve);
  const attempt = abortable(control.signal, slow, (n) => closed.push(n));
  const reason = new Error("enough");
  control.abort(reason);
  assertStrictEquals(await assertRejects(() => attempt), reason);
  assertEquals(closed, []);
  open(5);
  await turn();
  assertEquals(closed, [5]);
});

test("abortable() tells the reason where both fail", async () => {
  const control = new AbortController();
  let fail = (_: Error) => {};
  const slow = new Promise<never>((_, reject) => fail = reject);
  const attempt = abortable(control.signal, slow, () => {});
  fail(new Error("interrupted"));
  control.abort("enough");
  assertEquals(await attempt.catch((reason) => reason), "enough");
});

test("checkAttempt() throws the reason of an ended signal", () => {
  const signal = AbortSignal.abort(new Error("enough"));
  const check = () => checkAttempt(tcp("h", 1), options({ signal }));
  assertThrows(check, Error, "enough");
});

test("tlsName() is the host without a zone, or the name given", () => {
  assertEquals(tlsName("h", {}), "h");
  assertEquals(tlsName("fe80::1%eth0", {}), "fe80::1");
  assertEquals(tlsName("h", { serverName: "n" }), "n");
});

for (const [name, dial] of Object.entries({ dialDeno, dialBun })) {
  if (name.toLowerCase() === `dial${runtime}`) continue;
  test(`${name}() refuses a runtime that is another`, async () => {
    await assertRejects(
      () => dial(tcp("127.0.0.1", 1), options()),
      MemcacheConnectionError,
      "this runtime is not",
    );
  });
}

test("dial() leaves nothing open of an attempt that ends as it is given up", async () => {
  const served = await serve((socket) => {
    socket.on("error", () => {});
    socket.on("end", () => socket.destroy());
  });
  for (let i = 0; i < 200; i++) {
    const controller = new AbortController();
    const { signal } = controller;
    const attempt = dial(served.address, options({ signal }));
    // The event loop is held, as by a busy program: the connection is open and
    // the time is up before either of them is looked at.
    setTimeout(() => controller.abort(), 0);
    const start = performance.now();
    while (performance.now() - start < 1);
    await attempt.then((conn) => conn.close(), () => {});
  }
  while (served.sockets.some((socket) => !socket.destroyed)) await turn();
  await served.close();
});
