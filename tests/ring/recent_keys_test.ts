import { assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { KetamaHash } from "../../src/ring/ketama.ts";
import { ModuloHash } from "../../src/ring/modulo.ts";
import { RecentKeys } from "../../src/ring/recent_keys.ts";
import { RendezvousHash } from "../../src/ring/rendezvous.ts";
import { test } from "../_runtime.ts";
import { manyKeys, names, placementOf, Recorder } from "./_placements.ts";

test("RecentKeys.getNode() asks the hasher once for a key", () => {
  const inner = new Recorder();
  const hasher = new RecentKeys(inner, { size: 10 });
  hasher.addNode("a:1", 2);
  for (let i = 0; i < 3; i++) {
    for (const key of ["x", "y", ""]) assertEquals(hasher.getNode(key), "a:1");
  }
  assertEquals(inner.calls, [
    ["addNode", "a:1", 2],
    ["getNode", "x"],
    ["getNode", "y"],
    ["getNode", ""],
  ]);
});

test("RecentKeys.getNode() remembers size keys at most", () => {
  const inner = new Recorder();
  inner.addNode("a:1");
  const hasher = new RecentKeys(inner, { size: 10 });
  const asked = (key: string) => {
    inner.calls.length = 0;
    hasher.getNode(key);
    return inner.calls.length;
  };
  const keys = manyKeys(10);
  for (const key of keys) assertEquals(asked(key), 1);
  // Half of them are there for certain, whatever the order.
  for (const key of keys.slice(5).reverse()) assertEquals(asked(key), 0);
  // Those that come back stay, the others go when as many new ones have come.
  for (const key of manyKeys(1000, "new")) {
    asked("stays");
    assertEquals(asked(key), 1);
    assertEquals(asked("stays"), 0);
  }
  for (const key of keys) assertEquals(asked(key), 1);
  // Without touching what is remembered: how much of it there can be.
  const fresh = new RecentKeys(inner, { size: 10 });
  for (const key of manyKeys(1000)) fresh.getNode(key);
  inner.calls.length = 0;
  let kept = 0;
  for (const key of manyKeys(1000).reverse()) {
    const before = inner.calls.length;
    fresh.getNode(key);
    if (inner.calls.length > before) break;
    kept++;
  }
  assertEquals(kept <= 10 && kept >= 5, true, `${kept}`);
});

test("RecentKeys forgets all when servers come or go", () => {
  const keys = manyKeys(300);
  const changes: readonly ((hasher: RecentKeys | ModuloHash) => void)[] = [
    (hasher) => hasher.addNode("new:1"),
    (hasher) => hasher.addNode("new:1", 7),
    (hasher) => hasher.removeNode("10.1.0.2:11211"),
    (hasher) => hasher.addNode("10.1.0.2:11211"),
    (hasher) => hasher.forgetNode?.("10.1.0.1:11211"),
  ];
  const plain = new ModuloHash();
  const hasher = new RecentKeys(new ModuloHash());
  for (const name of names(4)) {
    plain.addNode(name);
    hasher.addNode(name);
  }
  for (const change of changes) {
    placementOf(hasher, keys);
    placementOf(hasher, keys);
    change(hasher);
    change(plain);
    assertEquals(placementOf(hasher, keys), placementOf(plain, keys));
  }
});

test("RecentKeys does not remember that there is no server, nor long keys", () => {
  const inner = new Recorder();
  const hasher = new RecentKeys(inner);
  assertEquals(hasher.getNode("k"), undefined);
  inner.addNode("a:1");
  assertEquals(hasher.getNode("k"), "a:1");
  const long = "k".repeat(251);
  inner.calls.length = 0;
  hasher.getNode(long);
  hasher.getNode(long);
  hasher.getNode(long.slice(1));
  hasher.getNode(long.slice(1));
  assertEquals(inner.calls.length, 3);
});

test("RecentKeys places keys as its hasher does", () => {
  const keys = manyKeys(3000);
  for (const make of [() => new RendezvousHash(), () => new KetamaHash()]) {
    const plain = make();
    const hasher = new RecentKeys(make(), { size: 100 });
    for (const name of names(6)) {
      plain.addNode(name);
      hasher.addNode(name);
    }
    for (let i = 0; i < 2; i++) {
      assertEquals(placementOf(hasher, keys), placementOf(plain, keys));
    }
    assertEquals(
      [...hasher.getNodes?.("k") ?? []],
      [...plain.getNodes("k")],
    );
    assertEquals(hasher.forgetNode, undefined);
  }
});

test("RecentKeys refuses a size that cannot be", () => {
  for (const size of [0, 1, -1, 2.5, NaN, Infinity]) {
    assertThrows(
      () => new RecentKeys(new RendezvousHash(), { size }),
      MemcacheIllegalInputError,
      "Cannot use size",
    );
  }
});
