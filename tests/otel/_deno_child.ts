// A program as users have it on Deno: no SDK, one call. Its argument is a server;
// it goes on until its input ends.
import { trace } from "@opentelemetry/api";
import { Client } from "@x/memcache";
import { instrument } from "@x/memcache/otel";

const telemetry = instrument();
const client = new Client(Deno.args[0]);
telemetry.observe(client, { poolName: "pages" });
await trace.getTracer("tests").startActiveSpan("request", async (span) => {
  await client.set("user:1", "Ada");
  await client.getMany(["user:1", "user:2"]);
  await client.incr("user:1").catch(() => {});
  span.end();
});
await Deno.stdin.read(new Uint8Array(1));
await client.close();
