"use strict";

// Scripts and styles of the page itself may not be inline: its policy forbids them.
(() => {
  const place = document.getElementById("api");
  const absolute = (reference) => new URL(reference, document.baseURI).href;
  const description = absolute(place.dataset.description);

  // Swagger UI has a dark style, and follows the system in one of its layouts only.
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", follow);
  follow();

  // Requests go to where this page comes from, unless the description names other servers. The
  // server does not know what a proxy took off the path in front of it.
  const root = place.dataset.root && absolute(place.dataset.root).replace(/\/$/, "");
  const atThisServer = (response) => {
    if (root && response.url === description && response.ok) {
      const found = JSON.parse(response.text);
      found.servers = [{ url: root }];
      response.text = JSON.stringify(found);
    }
    return response;
  };

  window.SwaggerUIBundle({
    url: description,
    domNode: place,
    deepLinking: true,
    persistAuthorization: false,
    validatorUrl: null,
    responseInterceptor: atThisServer,
  });
})();
