import { assertEquals } from "@std/assert";
import { RequestLog } from "../../src/testing/request_log.ts";
import { test } from "../_runtime.ts";

test("RequestLog forgets the older half at 64 MiB of data", () => {
  const log = new RequestLog(1000);
  const data = new Uint8Array(1024 * 1024);
  const request = { command: "set", line: "set", connection: 1, at: 0 };
  for (let i = 0; i < 64; i++) log.add({ ...request, data });
  assertEquals(log.requests.length, 64);
  log.add({ ...request, data });
  assertEquals(log.requests.length, 32);
  log.clear();
  for (let i = 0; i < 64; i++) log.add({ ...request, data });
  assertEquals(log.requests.length, 64);
});
