import { assertEquals, assertRejects } from "@std/assert";
import { Client, MemcacheUnknownError } from "@x/memcache";
import { test } from "../../_runtime.ts";
import { withServer } from "../../_scripted.ts";

for (const line of ["STAT", "STAT ", "STAT  5", "ITEM ", "PREFIX"]) {
  test(`stats() refuses ${JSON.stringify(line)}, which names nothing`, async () => {
    await withServer({
      command: () => `STAT pid 1\r\n${line}\r\nEND\r\n`,
    }, async (server) => {
      const client = new Client(server.address, { protocol: "classic" });
      await assertRejects(() => client.stats(), MemcacheUnknownError);
      await client.close();
    });
  });
}

test("stats() takes a name without a value", async () => {
  await withServer({ command: () => "STAT a\r\nEND\r\n" }, async (server) => {
    const client = new Client(server.address, { protocol: "classic" });
    assertEquals(await client.stats(), { a: "" });
    await client.close();
  });
});
