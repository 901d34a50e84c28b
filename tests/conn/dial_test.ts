import { dial, dialNode } from "../../src/conn/dial.ts";
import { runtime } from "../_runtime.ts";
import { conformance } from "./conformance.ts";

conformance("dial", dial, {
  target: runtime !== "bun",
  rescue: runtime !== "node",
});
if (runtime !== "node") {
  conformance("dialNode", dialNode, { target: true, rescue: false });
}
