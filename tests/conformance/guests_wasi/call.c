// A guest that makes HTTP requests through `wasi:http`. What it is asked: method, authority, path and body.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "world.h"

static char text[100000];

static wit_string_t code(const char *where, int tag) {
    snprintf(text, sizeof text, "%s %d", where, tag);
    return wit_string(text);
}

static types_method_t method_of(const char *name) {
    if (!strcmp(name, "GET")) return (types_method_t){.tag = TYPES_METHOD_GET};
    if (!strcmp(name, "HEAD")) return (types_method_t){.tag = TYPES_METHOD_HEAD};
    if (!strcmp(name, "POST")) return (types_method_t){.tag = TYPES_METHOD_POST};
    return (types_method_t){.tag = TYPES_METHOD_OTHER, .value.other = wit_string(name)};
}

static types_fields_t headers_of(int *refused) {
    types_fields_t headers = types_fields_new();
    const types_field_value_t value = {(uint8_t *)"a b", 3};
    types_fields_append(headers, wit_string("X-Mine"), value);
    *refused = types_fields_append(headers, wit_string("Host"), value).is_err;
    *refused += types_fields_append(headers, wit_string("X Mine"), value).is_err;
    return headers;
}

static size_t read_all(types_incoming_body_t body, char *into, size_t room, int *tag) {
    streams_input_stream_t stream = types_incoming_body_stream(body).value.ok;
    size_t length = 0;
    for (*tag = 0;;) {
        wit_result_list_u8_streams_stream_error_t part = streams_input_stream_blocking_read(stream, 4096);
        if (part.is_err) {
            *tag = part.value.err.tag != STREAMS_STREAM_ERROR_CLOSED;
            streams_input_stream_drop(stream);
            return length;
        }
        if (part.value.ok.len > room - length - 1) abort();
        memcpy(into + length, part.value.ok.ptr, part.value.ok.len);
        length += part.value.ok.len;
    }
}

wit_string_t exports_probe_look(wit_string_t what) {
    char *rest = wit_c_string(what);
    const char *method = strsep(&rest, " "), *authority = strsep(&rest, " "), *path = strsep(&rest, " ");
    int refused;
    types_outgoing_request_t request = types_outgoing_request_new(headers_of(&refused));
    if (types_outgoing_request_set_method(request, method_of(method)).is_err) return wit_string("method");
    types_outgoing_request_set_scheme(request, (wit_option_types_scheme_t){true, {.tag = TYPES_SCHEME_HTTP}});
    if (types_outgoing_request_set_authority(request, (wit_option_string_t){true, wit_string(authority)}).is_err)
        return wit_string("authority");
    if (types_outgoing_request_set_path_with_query(request, (wit_option_string_t){true, wit_string(path)}).is_err)
        return wit_string("path");
    types_outgoing_body_t body = types_outgoing_request_body(request).value.ok;
    wit_result_types_future_incoming_response_types_error_code_t begun =
        outgoing_handler_handle(request, (wit_option_types_request_options_t){0});
    if (begun.is_err) return code("refused", begun.value.err.tag);
    if (rest != NULL) {
        streams_output_stream_t stream = types_outgoing_body_write(body).value.ok;
        for (size_t at = 0, length = strlen(rest); at < length; at += 4096) {
            wit_list_u8_t part = {(uint8_t *)rest + at, length - at < 4096 ? length - at : 4096};
            streams_output_stream_blocking_write_and_flush(stream, part);
        }
        streams_output_stream_drop(stream);
    }
    types_outgoing_body_finish(body, (wit_option_types_fields_t){0});
    poll_pollable_block(types_future_incoming_response_subscribe(begun.value.ok));
    wit_result_types_incoming_response_types_error_code_t answer =
        types_future_incoming_response_get(begun.value.ok).value.value.ok;
    if (answer.is_err) return code("failed", answer.value.err.tag);
    types_incoming_response_t response = answer.value.ok;
    types_fields_t headers = types_incoming_response_headers(response);
    int at = snprintf(text, sizeof text, "%u refused %d", types_incoming_response_status(response), refused);
    wit_list_types_field_value_t twice = types_fields_get(headers, wit_string("x-twice"));
    for (size_t i = 0; i < twice.len; i++)
        at += snprintf(text + at, sizeof text - at, " %.*s", (int)twice.ptr[i].len, twice.ptr[i].ptr);
    text[at++] = '\n';
    int tag;
    size_t length = read_all(types_incoming_response_consume(response).value.ok, text + at, sizeof text - at, &tag);
    if (tag) return wit_string("broken off");
    return (wit_string_t){text, at + length};
}
