// The activity of the stargazers example in C: fetches a page over wasi:http.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "world.h"

typedef wit_result_model_page_string_t fetched_t;

static fetched_t failed(const char *path, const char *reason, unsigned number) {
    char *text = malloc(strlen(path) + 64);
    sprintf(text, "%s: %s %u", path, reason, number);
    return (fetched_t){.is_err = true, .value.err = wit_string(text)};
}

// All of a body; `ptr` is null when it breaks off.
static wit_string_t read_all(types_incoming_body_t body) {
    wit_string_t text = {malloc(1), 0};
    streams_input_stream_t stream = types_incoming_body_stream(body).value.ok;
    for (;;) {
        wit_result_list_u8_streams_stream_error_t part = streams_input_stream_blocking_read(stream, 4096);
        if (part.is_err) {
            if (part.value.err.tag != STREAMS_STREAM_ERROR_CLOSED) text.ptr = NULL;
            return text;
        }
        text.ptr = realloc(text.ptr, text.len + part.value.ok.len + 1);
        memcpy(text.ptr + text.len, part.value.ok.ptr, part.value.ok.len);
        text.len += part.value.ok.len;
    }
}

// The names stand one on a line, after a line with the number of pages.
static model_page_t parsed(wit_string_t text) {
    model_page_t page = {.names = {calloc(text.len + 1, sizeof(wit_string_t)), 0}, .pages = 0};
    char *at = text.ptr, *end = text.ptr + text.len;
    for (; at < end && *at != '\n'; at++) page.pages = page.pages * 10 + (uint32_t)(*at - '0');
    for (at++; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        if (stop == NULL) stop = end;
        page.names.ptr[page.names.len++] = (wit_string_t){at, (size_t)(stop - at)};
        at = stop + 1;
    }
    return page;
}

fetched_t exports_pages_in_c_fetch(wit_string_t server, wit_string_t repository, uint32_t number) {
    char *path = malloc(repository.len + 64);
    sprintf(path, "/repos/%s/stargazers?page=%u", wit_c_string(repository), (unsigned)number);
    types_outgoing_request_t request = types_outgoing_request_new(types_fields_new());
    types_outgoing_request_set_scheme(request, (wit_option_types_scheme_t){true, {.tag = TYPES_SCHEME_HTTP}});
    types_outgoing_request_set_authority(request, (wit_option_string_t){true, server});
    types_outgoing_request_set_path_with_query(request, (wit_option_string_t){true, wit_string(path)});
    wit_result_types_future_incoming_response_types_error_code_t begun =
        outgoing_handler_handle(request, (wit_option_types_request_options_t){0});
    if (begun.is_err) return failed(path, "refused with error code", begun.value.err.tag);
    poll_pollable_block(types_future_incoming_response_subscribe(begun.value.ok));
    wit_result_types_incoming_response_types_error_code_t answer =
        types_future_incoming_response_get(begun.value.ok).value.value.ok;
    if (answer.is_err) return failed(path, "error code", answer.value.err.tag);
    types_incoming_response_t response = answer.value.ok;
    unsigned status = types_incoming_response_status(response);
    if (status != 200) return failed(path, "status", status);
    wit_string_t text = read_all(types_incoming_response_consume(response).value.ok);
    if (text.ptr == NULL) return failed(path, "the answer broke off; status", status);
    return (fetched_t){.value.ok = parsed(text)};
}
