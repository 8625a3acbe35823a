// Signing in: asked for when an answer says 401, and not before.

let asked;

/// Lets the user type a token in; all who wait for one wait for the same.
function signIn(why) {
    asked ??= new Promise((resolve, reject) => {
        const dialog = byId("login");
        byId("login-why").textContent = why;
        byId("login-token").value = "";
        dialog.querySelector("form").onsubmit = (event) => {
            event.preventDefault();
            setToken(byId("login-token").value.trim());
            resolve();
            dialog.close();
        };
        byId("login-cancel").onclick = () => dialog.close();
        dialog.onclose = () => {
            asked = undefined;
            reject(new Error("You are not signed in."));
            showSign();
        };
        dialog.showModal();
    });
    return asked;
}

function showSign() {
    byId("sign").hidden = false;
    byId("sign").textContent = token() ? "Sign out" : "Sign in";
}

/// An answer of the API, as who is signed in.
async function api(path, options) {
    for (;;) {
        const as = token();
        const response = await ask(path, options);
        if (response.status !== 401) return response;
        if (as === token()) await signIn(as ? await problem(response) : "This server wants to know who listens.");
    }
}

async function must(path, options) {
    const response = await api(path, options);
    if (!response.ok) throw new Error(await problem(response));
    return response;
}

const json = async (path, options) => (await must(path, options)).json();

byId("sign").addEventListener("click", () => {
    if (token()) {
        setToken("");
        location.reload();
    } else {
        signIn("").then(() => location.reload(), () => {});
    }
});
if (token()) showSign();
