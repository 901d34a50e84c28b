/**
 * Replies to kinds, values and texts, beside the parser of memcache-client. One
 * iteration reads a stream of replies: how many, and how many bytes, stands
 * behind each name. Nanoseconds per reply, on every runtime: `bench/measure.ts`.
 */
import { bench } from "./_bench.ts";
import { decoderCases } from "./_decoder_cases.ts";
import { runtimeText } from "./_measure.ts";
import { parserCases } from "./compare/codec.ts";
import { install, PACKAGES } from "./compare/install.ts";

const cases = decoderCases(await runtimeText());
bench(cases);
if (await install()) {
  const texts = cases.filter(({ name }) =>
    name === "string, the runtime's way"
  );
  bench(parserCases(PACKAGES, texts));
}
