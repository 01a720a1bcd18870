// The activity of the stargazers example in JavaScript: fetches a page with the `fetch` of StarlingMonkey.

export const pagesInJavascript = {
  // The names stand one on a line, after a line with the number of pages. What is thrown is the err.
  async fetch(server, repository, number) {
    const path = `/repos/${repository}/stargazers?page=${number}`;
    let text;
    try {
      const response = await fetch(`http://${server}${path}`);
      if (response.status !== 200) throw `status ${response.status}`;
      text = await response.text();
    } catch (error) {
      throw `${path}: ${error}`;
    }
    const [pages, ...names] = text.trimEnd().split('\n');
    return { pages: Number(pages), names };
  },
};
