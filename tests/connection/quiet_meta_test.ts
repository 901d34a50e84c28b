/**
 * Quiet commands of `client.meta`: what each of them comes to.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { MemcacheTimeoutError, MemcacheUnknownCommandError } from "@x/memcache";
import { test } from "../_runtime.ts";
import type { Peer } from "../_scripted.ts";
import {
  acquaint,
  failure,
  outcome,
  outcomes,
  watched,
  withPair,
} from "./_calls.ts";
import { answers, behind, opaque, QUIET } from "./_quiet.ts";

test("client.meta settles quiet commands as it does others", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    server.items.set("x", { flags: "16", data: "v", cas: 5 });
    await acquaint(client);
    const { meta } = client;
    const quiet = true;
    const { length } = server.last.commands;
    const results = await Promise.all([
      meta.get("none", { quiet }),
      meta.get("x", { quiet, returnCas: true }),
      meta.get("none", { quiet, opaque: "mine", returnKey: true }),
      meta.set("y", "w", { quiet }),
      meta.set("y", "w", { quiet, mode: "add" }),
      meta.set("y", "w", { quiet, compareCas: 99n }),
      meta.set("none", "w", { quiet, compareCas: 99n, opaque: "mine" }),
      meta.delete("y", { quiet }),
      meta.delete("y", { quiet }),
    ]);
    assertEquals(results, [
      { status: "miss" },
      { status: "hit", value: "v", cas: 5n },
      { status: "miss", opaque: "mine", key: "none" },
      { status: "stored" },
      { status: "notStored" },
      { status: "exists" },
      { status: "notFound", opaque: "mine" },
      { status: "deleted" },
      { status: "notFound" },
    ]);
    const sent = server.last.commands.slice(length);
    // One run, one fence; and our numbers only.
    assertEquals(
      sent.map(({ name }) => name).join(" "),
      "mg mg mg ms ms ms ms md md mn",
    );
    assert(sent.every(({ line }) => !line.includes("mine")));
    assertEquals(errors, []);
  });
});

test("client.meta.getMany() sends quiet gets in one write with one fence", async () => {
  const traffic = watched();
  await withPair({}, { dial: traffic.dial }, async ({ server, client }) => {
    for (const key of ["b", "d"]) {
      server.items.set(key, { flags: "16", data: key, cas: 1 });
    }
    await acquaint(client);
    const before = traffic.writes.length;
    const { length } = server.last.commands;
    const results = await client.meta.getMany(["a", "b", "c", "d", "e"], {
      quiet: true,
    });
    assertEquals(results.map(({ value }) => value), [
      ...[undefined, "b", undefined, "d", undefined],
    ]);
    assertEquals(traffic.writes.length - before, 1);
    const names = server.last.commands.slice(length).map(({ name }) => name);
    assertEquals(names.join(" "), "mg mg mg mg mg mn");
  });
});

test("client.meta keeps an answer that returns something", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    await acquaint(client);
    server.script = answers({
      k: (c) =>
        `${c.name === "ms" ? "HD c9" : "VA 1"}${opaque(c)}\r\n` +
        (c.name === "ms" ? "" : "7\r\n"),
    });
    const quiet = true;
    const [set, count] = await Promise.all([
      client.meta.set("k", "v", { quiet, returnCas: true }),
      client.meta.arithmetic("k", { quiet }),
    ]);
    assertEquals(set, { status: "stored", cas: 9n });
    assertEquals(count, { status: "stored", value: 7 });
    const lines = server.lines.filter((line) => / k /.test(line));
    assertEquals(lines.map((line) => / q\b/.test(line)), [false, false]);
    server.script = answers({});
    await client.meta.delete("k", { quiet });
    await behind(client);
  });
});

test("client.meta rejects each quiet command that may have earned an error line", async () => {
  await withPair({}, {}, async ({ server, client, errors }) => {
    await acquaint(client);
    const quiet = true;
    server.script = answers({ b: () => "ERROR\r\n" });
    const ends = await outcomes([
      client.meta.set("a", "v", { quiet }),
      client.meta.set("b", "v", { quiet }),
      client.set("c", "v", QUIET),
      client.get("a"),
    ]);
    for (const { error } of ends.slice(0, 2)) {
      assertInstanceOf(error, MemcacheUnknownCommandError);
      assertEquals(error.failedKeys, ["a", "b", "c"]);
    }
    assertEquals(ends.slice(0, 2).map(({ error }) => error?.key), ["a", "b"]);
    assertEquals(ends[3].value, "v");
    // Those of the two that reject, and one for the one that cannot.
    assertEquals(errors.map(({ key }) => key), [undefined, "a", "b"]);
    // A command of its own is blamed alone.
    const { error } = await outcome(client.meta.set("b", "v", { quiet }));
    assertInstanceOf(error, MemcacheUnknownCommandError);
    assertEquals(error.failedKeys, undefined);
    assertEquals(server.peers.length, 1);
  });
});

test("client.meta ends quiet commands by their timeouts and aborts", async () => {
  await withPair({}, {}, async ({ server, client }) => {
    server.items.set("x", { flags: "16", data: "v", cas: 1 });
    await acquaint(client);
    let held = "";
    let peer: Peer | undefined;
    server.script = (command, from) => {
      peer = from;
      held += from.reply(command);
      return undefined;
    };
    const aborter = new AbortController();
    const quiet = true;
    const late = failure(client.meta.get("none", { quiet, timeout: 30 }));
    const given = failure(
      client.meta.get("x", { quiet, signal: aborter.signal }),
    );
    const patient = client.meta.getMany(["none", "x"], {
      quiet,
      timeout: 5000,
    });
    await server.until(() => held.includes("MN"));
    aborter.abort(new Error("given up"));
    assertEquals((await given).message, "given up");
    assertInstanceOf(await late, MemcacheTimeoutError);
    server.script = (command, peer) => peer.reply(command);
    peer?.send(held);
    assertEquals((await patient).map(({ status }) => status), ["miss", "hit"]);
    assertEquals(await client.get("x"), "v");
    assertEquals(server.peers.length, 1);
  });
});

test("client.meta sends quiet reads again on a new link, and writes never", async () => {
  await withPair({}, { timeout: 150 }, async ({ server, client, errors }) => {
    server.items.set("x", { flags: "16", data: "v", cas: 1 });
    await acquaint(client);
    const quiet = true;
    const [first] = server.peers;
    server.script = (command, peer) =>
      peer === first ? undefined : peer.reply(command);
    const silent = outcome(client.get("x", { timeout: 30 }));
    const ends = outcomes([
      client.meta.get("x", { quiet, timeout: 5000 }),
      client.meta.set("y", "v", { quiet, timeout: 400 }),
    ]);
    assertInstanceOf((await silent).error, MemcacheTimeoutError);
    const [read, write] = await ends;
    assertEquals(read.value, { status: "hit", value: "v" });
    assertInstanceOf(write.error, MemcacheTimeoutError);
    assertEquals(write.error.sent, true);
    assertEquals(server.items.has("y"), false);
    assertEquals(errors.length, 2);
  });
});
