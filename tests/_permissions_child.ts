// A program with few permissions: a handful of commands against the server
// that its argument names, or one of its own. It leaves its client open.
import { Client } from "@x/memcache";
import { MemcachedServer } from "@x/memcache/testing";

const [address] = Deno.args;
const server = address === undefined
  ? await MemcachedServer.start()
  : undefined;
const client = new Client(server?.address ?? address);
try {
  const results = [
    await client.set("key", { a: 1 }, { ttl: 60 }),
    await client.get("key"),
    await client.incr("counter", 2, { initial: 40 }),
    await client.incr("counter", 2),
    [...await client.getMany<unknown>(["key", "absent"])],
    await client.delete("key"),
    await client.get("key", { default: "gone" }),
  ];
  await client.delete("counter");
  console.log(JSON.stringify(results));
} catch (error) {
  console.log((error as Error).name);
}
await server?.close();
