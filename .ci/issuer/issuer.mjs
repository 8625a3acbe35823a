// An issuer of tokens for tests: oauth2-mock-server, with a key of each kind. Beside what OpenID Connect has, POST /sign signs the
// claims that it is given. What is asked is told on standard output, so that tests can count it.
import http from "node:http";
import mock from "oauth2-mock-server";

const port = Number(process.argv[2]);
const { issuer, service } = new mock.OAuth2Server();
issuer.url = `http://127.0.0.1:${port}`;
for (const alg of ["RS256", "ES256", "EdDSA"]) await issuer.keys.generate(alg);

async function sign(request) {
  let text = "";
  for await (const piece of request) text += piece;
  const { alg, claims, head } = JSON.parse(text);
  const { kid } = issuer.keys.toJSON().find((key) => key.alg === alg);
  const merge = (into, from) =>
    Object.entries(from ?? {}).forEach(([name, value]) => (value === null ? delete into[name] : (into[name] = value)));
  return issuer.buildToken({
    kid,
    scopesOrTransform: (header, payload) => {
      merge(header, head);
      merge(payload, claims);
    },
  });
}

http
  .createServer(async (request, response) => {
    console.log(request.url);
    if (request.url !== "/sign") return service.requestHandler(request, response);
    try {
      response.end(await sign(request));
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error));
    }
  })
  .listen(port, "127.0.0.1");
