// A guest that makes HTTP requests with the `fetch` of StarlingMonkey. What it is asked: method, URL and body.
export const probe = {
  look: async (what) => {
    const [method, url, ...words] = what.split(' ');
    const body = words.length ? words.join(' ') : undefined;
    try {
      const response = await fetch(url, { method, body, headers: { 'X-Mine': 'a b' } });
      return [response.status, response.headers.get('x-twice'), await response.text()].join('\n');
    } catch (error) {
      return error.name;
    }
  },
};
