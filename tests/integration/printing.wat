;; An activity that writes to its standard streams: "one\ntwo", an error, or without end.
(component
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error-type))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $output (sub resource)))
    (alias outer 1 $error-type (type $error-type'))
    (export "error" (type $own-error (eq $error-type')))
    (type $stream-error' (variant (case "last-operation-failed" (own $own-error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $stream-error')))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $output'))
    (export "output-stream" (type $own (eq $output')))
    (export "get-stdout" (func (result (own $own))))))
  (import "wasi:cli/stderr@0.2.0" (instance $stderr
    (alias outer 1 $output (type $output'))
    (export "output-stream" (type $own (eq $output')))
    (export "get-stderr" (func (result (own $own))))))
  (core module $memory
    (memory (export "memory") 1)
    (data (i32.const 64) "one\ntwo")
    (data (i32.const 128) "dreadful\n"))
  (core instance $m (instantiate $memory))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
    (memory (core memory $m "memory"))))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $get-stderr (canon lower (func $stderr "get-stderr")))
  (core module $code
    (import "h" "write" (func $write (param i32 i32 i32 i32)))
    (import "h" "get-stdout" (func $get-stdout (result i32)))
    (import "h" "get-stderr" (func $get-stderr (result i32)))
    (func (export "print") (result i32)
      (call $write (call $get-stdout) (i32.const 64) (i32.const 7) (i32.const 0))
      (call $write (call $get-stderr) (i32.const 128) (i32.const 9) (i32.const 0))
      (i32.const 1))
    (func (export "flood") (result i32) (local $out i32)
      (local.set $out (call $get-stdout))
      (loop $again
        (call $write (local.get $out) (i32.const 0) (i32.const 4096) (i32.const 0))
        (br $again))
      unreachable))
  (core instance $i (instantiate $code (with "h" (instance
    (export "write" (func $write)) (export "get-stdout" (func $get-stdout)) (export "get-stderr" (func $get-stderr))))))
  (func $print (result u32) (canon lift (core func $i "print")))
  (func $flood (result u32) (canon lift (core func $i "flood")))
  (instance (export "demo:talk/printing") (export "print" (func $print)) (export "flood" (func $flood))))
