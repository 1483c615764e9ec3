test_that("a folder with other things is not touched", {
  out <- tempfile()
  dir.create(out)
  expect_equal(nrow(check_output_folder(out)), 0)
  dir.create(file.path(out, "tables"))
  expect_equal(nrow(check_output_folder(out)), 0)
  file.create(file.path(out, "thesis.docx"))
  expect_match(format_problems(check_output_folder(out)), "found also thesis.docx", fixed = TRUE)
  expect_match(format_problems(check_output_folder(file.path(out, "thesis.docx"))), "expected a folder", fixed = TRUE)
})

test_that("the folder appears whole, or stays what it was", {
  parent <- tempfile()
  out <- file.path(parent, "deeper", "report")
  replace_folder(out, function(beside) writeLines("first", file.path(beside, "report.html")))
  expect_error(
    replace_folder(out, function(beside) {
      writeLines("second", file.path(beside, "report.html"))
      stop("halfway")
    }), "halfway"
  )
  expect_identical(readLines(file.path(out, "report.html")), "first")
  replace_folder(out, function(beside) writeLines("third", file.path(beside, "report.html")))
  expect_identical(readLines(file.path(out, "report.html")), "third")
  expect_identical(list.files(dirname(out), all.files = TRUE, no.. = TRUE), "report")
})
