import { assertEquals, assertThrows } from "@std/assert";
import { MemcacheIllegalInputError } from "../../src/errors.ts";
import { HashTags } from "../../src/ring/hash_tags.ts";
import { ModuloHash } from "../../src/ring/modulo.ts";
import { RendezvousHash } from "../../src/ring/rendezvous.ts";
import { test } from "../_runtime.ts";
import { manyKeys, names, placementOf, Recorder } from "./_placements.ts";

const PARTS: readonly [tags: string, key: string, part: string][] = [
  ["{}", "plain", "plain"],
  ["{}", "", ""],
  ["{}", "{user:1}:profile", "user:1"],
  ["{}", "cart:{user:1}", "user:1"],
  ["{}", "a{b}c{d}e", "b"],
  ["{}", "a{b{c}d}", "b{c"],
  ["{}", "{}whole", "{}whole"],
  ["{}", "a{}b{c}", "a{}b{c}"],
  ["{}", "a{b", "a{b"],
  ["{}", "a}b", "a}b"],
  ["{}", "a}b{c", "a}b{c"],
  ["{}", "a}b{c}", "c"],
  ["{}", "{", "{"],
  ["{}", "}{", "}{"],
  ["{}", "x{\u{1f600}}", "\u{1f600}"],
  ["$$", "a$b$c", "b"],
  ["$$", "a$$c", "a$$c"],
  ["$$", "a$b", "a$b"],
  ["[)", "a[b)c]", "b"],
];

test("HashTags.getNode() and getNodes() hash what is between the tags", () => {
  for (const [tags, key, part] of PARTS) {
    const inner = new Recorder();
    const hasher = new HashTags(inner, tags);
    hasher.addNode("a:1", 3);
    assertEquals(hasher.getNode(key), "a:1");
    assertEquals([...hasher.getNodes?.(key) ?? []], ["a:1"]);
    hasher.removeNode("a:1");
    hasher.forgetNode?.("a:1");
    assertEquals(inner.calls, [
      ["addNode", "a:1", 3],
      ["getNode", part],
      ["getNodes", part],
      ["removeNode", "a:1"],
      ["forgetNode", "a:1"],
    ]);
  }
});

test("HashTags keeps keys with the same tag together", () => {
  const plain = new RendezvousHash();
  const tagged = new HashTags(new RendezvousHash());
  for (const name of names(5)) {
    plain.addNode(name);
    tagged.addNode(name);
  }
  const keys = manyKeys(500);
  assertEquals(placementOf(tagged, keys), placementOf(plain, keys));
  for (const key of keys) {
    assertEquals(tagged.getNode(`a:{${key}}:b`), plain.getNode(key));
  }
});

test("HashTags has the methods that its hasher has", () => {
  const bare = new HashTags({
    addNode() {},
    removeNode() {},
    getNode: (key) => key,
  });
  assertEquals(bare.getNodes, undefined);
  assertEquals(bare.forgetNode, undefined);
  assertEquals(bare.getNode("{a}b"), "a");
  assertEquals(new HashTags(new RendezvousHash()).forgetNode, undefined);
  const modulo = new HashTags(new ModuloHash());
  modulo.addNode("a:1");
  modulo.removeNode("a:1");
  modulo.forgetNode?.("a:1");
  assertThrows(() => modulo.forgetNode?.("a:1"), MemcacheIllegalInputError);
});

test("HashTags refuses tags that cannot be", () => {
  for (const tags of ["", "{", "{{}", "{ ", "\x00}", "{\u00e9", 5]) {
    assertThrows(
      () => new HashTags(new RendezvousHash(), tags as string),
      MemcacheIllegalInputError,
      "Cannot use hash tags",
    );
  }
});
