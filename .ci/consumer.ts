// A program of a user in Node, type-checked against the packed package.
import {
  Client,
  type ClientOptions,
  compressedSerde,
  HashClient,
  type HashClientOptions,
  type Item,
  jsonSerde,
  MemcacheError,
  MemcacheTimeoutError,
  parseServer,
  RendezvousHash,
  type Serde,
  type ServerAddress,
  type ServerEvent,
  type ServerSpec,
  sha256Keys,
  StrictClient,
} from "@x/memcache";
import { cacheResponses, type ExpressMiddleware } from "@x/memcache/express";
import { cacheResponses as cacheHono, type CacheResponsesOptions } from "@x/memcache/hono";
import { structuredSerde } from "@x/memcache/structured";
import { MemcachedServer } from "@x/memcache/testing";
import { createServer } from "node:http";

const server: MemcachedServer = await MemcachedServer.start();
const spec: ServerSpec = server.address;
const address: ServerAddress = parseServer(spec);
const serde: Serde = compressedSerde({ serde: jsonSerde, minLength: 100 });
const options: ClientOptions = {
  serde,
  timeout: 500,
  keyPrefix: "app:",
  keyEncoder: sha256Keys,
  onError: (error: MemcacheError): void => console.error(error.code, address.name),
};
const client = new Client(spec, options);
const stored: boolean = await client.set("key", { a: 1 }, { ttl: 60 });
const value: { a: number } | undefined = await client.get<{ a: number }>("key");
const item: Item<string> | undefined = await client.getItem<string>("key");
const many: Map<string, number> = await client.getMany<number>(["a", "b"]);
const count: number | undefined = await client.incr("counter", 1);
const wide: bigint | undefined = await client.incr("counter", 1n);
try {
  await new StrictClient(client).get("absent");
} catch (error) {
  if (error instanceof MemcacheTimeoutError) console.log(error.server, error.sent);
}
// @ts-expect-error A key is no number.
await client.get(1).catch(() => {});
const rich: Client = new Client(spec, { serde: compressedSerde({ serde: structuredSerde }) });
await rich.set("rich", new Map([["at", new Date(0)]]));
const dates: Map<string, Date> | undefined = await rich.get<Map<string, Date>>("rich");
if (dates?.get("at")?.getTime() !== 0) throw new Error("structuredSerde lost a Date");
await rich.close();
const hashOptions: HashClientOptions = { hasher: new RendezvousHash(), retryAttempts: 1 };
const cluster = new HashClient([server.address], hashOptions);
cluster.events.addEventListener("serverdead", ({ server, error }: ServerEvent) => console.log(server, error?.code));
const versions: Map<string, string> = await cluster.version();
await cluster.getMany(["a"]).catch((error: unknown) => {
  if (error instanceof MemcacheError) console.log(error.values?.size, error.failedKeys);
});
await cluster.close();
console.log(versions.size, stored, value?.a, item?.cas, many.size, count, wide);
const kept: CacheResponsesOptions = { ttl: 60, vary: ["Accept-Language"] };
const middleware: ExpressMiddleware = cacheResponses(client, kept);
const web = createServer((request, response) => {
  void middleware(request, response, () => response.end("text"));
});
const answered: Response | void = await cacheHono(client, kept)(
  { req: { raw: new Request("http://localhost/") }, res: undefined },
  () => Promise.resolve(),
);
console.log(web.listening, answered?.status);
await client.close();
await server.close();
