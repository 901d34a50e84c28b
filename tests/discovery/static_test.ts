import { assertEquals, assertThrows } from "@std/assert";
import {
  MemcacheIllegalInputError,
  type ServerSpec,
  staticServers,
} from "@x/memcache";
import { test } from "../_runtime.ts";

test("staticServers() gives each iteration its list, once", async () => {
  const servers: ServerSpec[] = ["a", ["b", 11212], { host: "c", weight: 2 }];
  const discovery = staticServers(servers);
  servers.push("d");
  for (let i = 0; i < 2; i++) {
    const lists: (readonly ServerSpec[])[] = [];
    for await (const list of discovery) lists.push(list);
    assertEquals(lists, [["a", ["b", 11212], { host: "c", weight: 2 }]]);
  }
});

test("staticServers() refuses lists that no cluster can have", () => {
  for (const servers of [[], ["a b"], ["a", "http://b"]]) {
    assertThrows(() => staticServers(servers), MemcacheIllegalInputError);
  }
});
