"use strict";
(() => {
  const form = document.getElementById("token-form");
  const field = document.getElementById("token");
  let token = "";

  const authorized = (headers) => (token ? { ...headers, Authorization: `Bearer ${token}` } : headers);

  async function start() {
    const answer = await fetch("openapi.json", { headers: authorized({}) });
    if (answer.status === 401 || answer.status === 403) {
      const said = (await answer.json()).detail;
      document.getElementById("token-said").textContent = token ? said : "";
      form.hidden = false;
      field.focus();
      return;
    }
    form.hidden = true;
    window.ui = SwaggerUIBundle({
      url: "openapi.json",
      dom_id: "#swagger-ui",
      deepLinking: true,
      displayRequestDuration: true,
      filter: true,
      validatorUrl: null,
      presets: [SwaggerUIBundle.presets.apis],
      layout: "BaseLayout",
      requestInterceptor: (request) => {
        if (!request.headers.Authorization) request.headers = authorized(request.headers);
        return request;
      },
    });
  }

  function use() {
    token = field.value.trim();
    start();
  }

  document.getElementById("token-use").addEventListener("click", use);
  field.addEventListener("keydown", (event) => event.key === "Enter" && use());
  start();
})();
