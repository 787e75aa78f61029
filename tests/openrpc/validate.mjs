// Reads an OpenRPC document and says what the OpenRPC project's validator has against it.
import { readFileSync } from "node:fs";
import openrpc from "@open-rpc/schema-utils-js";

const { dereferenceDocument, MethodCallValidator, validateOpenRPCDocument } = openrpc;
const document = JSON.parse(readFileSync(0, "utf8"));
const problems = [];

const valid = validateOpenRPCDocument(document);
if (valid !== true) problems.push(valid.message);
else {
  const calls = new MethodCallValidator(await dereferenceDocument(document));
  for (const method of document.methods)
    for (const example of method.examples) {
      const params = Object.fromEntries(example.params.map(({ name, value }) => [name, value]));
      const wrong = calls.validate(method.name, params);
      if (!Array.isArray(wrong)) problems.push(`${method.name}: ${wrong.message}`);
      else problems.push(...wrong.map((error) => `${method.name}: ${error.message}`));
    }
}
for (const problem of problems) console.log(problem);
process.exitCode = problems.length ? 1 : 0;
