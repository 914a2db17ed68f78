// @ts-nocheck: SwaggerUIBundle is a global of the script before this one.
window.ui = SwaggerUIBundle({
  url: '/swagger/json',
  dom_id: '#swagger-ui',
  deepLinking: true,
  tryItOutEnabled: true,
  // Its badge would ask another host.
  validatorUrl: null,
});
